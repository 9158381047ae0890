#!/usr/bin/env python3
"""Writes json_schema.json: schemas, texts, and whether each text is valid by the jsonschema package.

    python3 test/oracle/make_json_schema.py >test/oracle/json_schema.json

Every schema is tried on its own texts and on those of a few other schemas, so that most texts are wrong in
some way.  `taken` lists texts that a grammar should take: valid ones that keep to the order of properties."""
import json
import jsonschema

MIXED = ['null', 'true', '0', '-1', '2.5', '1e2', '""', '"a"', '"abc"', '[]', '[1]', '[1, 2]', '["a", "a"]', '{}',
         '{"a":1}', '{"a":"x","b":2}', '{"b":2}', '{"kind":"a"}', '{"x-1":1}', '[null]']
# (schema, texts a grammar should take, further texts)
CASES = [
    ({"type": "integer", "multipleOf": 7}, ["0", "14", "-21", "700"], ["1", "-8", "15"]),
    ({"type": "number", "multipleOf": 0.25}, ["0.25", "-1.5", "3", "2.750"], ["0.3", "1.1"]),
    ({"type": "integer", "multipleOf": 6, "minimum": 10, "maximum": 30}, ["12", "18", "24", "30"], ["6", "36", "13"]),
    ({"type": "integer", "allOf": [{"multipleOf": 4}, {"multipleOf": 6}]}, ["12", "0", "-24"], ["4", "6", "8"]),
    ({"type": "number", "minimum": 0.5, "maximum": 99.95}, ["0.5", "1", "99.95", "50.123"],
     ["0.49", "99.951", "99.96", "0", "-3", "100"]),
    ({"type": "number", "exclusiveMinimum": -1.25, "exclusiveMaximum": 1.5}, ["-1.2", "0", "1.4999", "-1.2499", "1"],
     ["-1.25", "1.5", "-2", "-1.3", "2"]),
    ({"type": "number", "minimum": -90, "maximum": 90}, ["-90", "90.0", "89.999", "-0.5"], ["90.5", "-91", "-90.1"]),
    ({"type": "integer", "minimum": 1.5, "exclusiveMaximum": 4}, ["2", "3"], ["1", "4", "1.5"]),
    ({"minimum": 3}, ["3", "null", "\"a\"", "[1]", "{\"a\":1}", "1000"], ["2", "-5"]),
    ({"type": "string", "minLength": 2, "maxLength": 3}, ['"ab"', '"abc"'], ['"abcd"', '"é"']),
    ({"type": "string", "pattern": "^[a-z]+$", "maxLength": 3, "minLength": 2}, ['"ab"', '"xyz"'],
     ['"abcd"', '"A"', '"aB"']),
    ({"type": "string", "allOf": [{"pattern": "a"}, {"pattern": "b$"}]}, ['"ab"', '"xaxb"'], ['"ba"', '"b"']),
    ({"type": "string", "pattern": "^a|b$"}, ['"ab"', '"ac"', '"cb"'], ['"ca"']),
    ({"type": "string", "not": {"pattern": "^x"}}, ['""', '"a"', '"ax"'], ['"x"', '"xa"']),
    ({"type": "string", "not": {"enum": ["a", "abc"]}}, ['""', '"ab"', '"b"', '"abcd"'], ['"a"']),
    ({"not": {"type": ["string", "integer"]}}, ["null", "true", "2.5", "[1]"], ["1", '"a"']),
    ({"not": {"const": 3}}, ["4", "null", "3.5", "-3"], ["3", "3.0"]),
    ({"not": {"enum": [True, None, 0]}}, ["false", "1", '"a"'], ["true", "null", "0", "0.0"]),
    ({"not": {"required": ["a"]}, "type": "object"}, ["{}", '{"b":2}'], ['{"a":null}']),
    ({"type": "object", "properties": {"a": {}, "b": {}}, "not": {"required": ["a", "b"]}},
     ["{}", '{"a":1}', '{"b":1}'], ['{"a":1,"b":2}']),
    ({"enum": ["a", "abc", 3, None], "type": "string", "maxLength": 2}, ['"a"'], ["3", '"abc"']),
    ({"enum": [1, 2, 5, 6], "minimum": 3}, ["5", "6"], ["1", "2"]),
    ({"type": "object", "patternProperties": {"^x-": {"type": "integer"}}, "additionalProperties": False},
     ["{}", '{"x-1":1}', '{"x-":2,"x-y":3}'], ['{"x-1":"a"}', '{"y":1}']),
    ({"type": "object", "properties": {"a": {"type": "integer"}}, "patternProperties": {"^x": {"type": "string"}}},
     ['{"a":1,"xa":"b","y":[1]}', '{"b":2}'], ['{"x":1}', '{"a":"x","b":2}']),
    ({"type": "object", "patternProperties": {"a": {"type": "integer"}, "b": {"minimum": 5}}},
     ['{"a":1}', '{"b":7}', '{"ab":7}', '{"c":null,"b":"x"}'], ['{"ab":2}', '{"a":"x"}', '{"b":2}']),
    ({"type": "object", "properties": {"abc": {"minimum": 3}}, "patternProperties": {"b": {"maximum": 5}}},
     ['{"abc":4}', '{"b":1}'], ['{"abc":2}', '{"abc":6}', '{"b":9}']),
    ({"type": "object", "propertyNames": {"pattern": "^[ab]+$"}}, ["{}", '{"a":1}', '{"ab":1,"b":[]}'],
     ['{"c":1}', '{"":1}']),
    ({"type": "object", "propertyNames": {"enum": ["a", "b"]}, "additionalProperties": {"type": "integer"}},
     ["{}", '{"a":1,"b":2}', '{"b":2}'], ['{"c":1}', '{"a":"x","b":2}']),
    ({"type": "object", "propertyNames": {"maxLength": 2}, "properties": {"a": {}, "long": {}}},
     ['{"a":1}', '{"xy":1}'], ['{"long":1}', '{"xyz":1}']),
    ({"type": "object", "additionalProperties": {"type": "boolean"}, "properties": {"a": {"const": 1}}},
     ['{"a":1,"b":true}', '{"z":false}'], ['{"b":2}', '{"a":true}']),
    ({"type": "object", "minProperties": 1}, ['{"a":1}', '{"x":1,"y":2}'], []),
    ({"type": "object", "properties": {"a": {}, "b": {}, "c": {}}, "additionalProperties": False, "minProperties": 2},
     ['{"a":1,"b":1}', '{"b":1,"c":1}', '{"a":1,"b":1,"c":1}'], ['{"a":1,"a":1}']),
    ({"type": "object", "properties": {"a": {}, "b": {}}, "maxProperties": 2, "required": ["b"]},
     ['{"b":1}', '{"a":1,"b":2}', '{"b":1,"z":1}'], ['{"a":1,"b":2,"c":3}']),
    ({"type": "object", "maxProperties": 3}, ["{}", '{"a":1,"b":1,"c":1}'], ['{"a":1,"b":1,"c":1,"d":1}']),
    ({"required": ["z", "a"], "properties": {"a": {"type": "integer"}}}, ['{"a":1,"z":null}', "3"], ['{"z":1}']),
    ({"type": "array", "uniqueItems": True, "items": {"enum": ["a", "b", 3]}},
     ["[]", '["a"]', '["b",3,"a"]'], ['["a","a"]', '["c"]']),
    ({"type": "array", "uniqueItems": True, "items": {"type": "integer", "minimum": 1, "maximum": 4}, "minItems": 2,
      "maxItems": 3}, ["[1,2]", "[4,1,3]"], ["[1]", "[1,1]", "[1,2,3,4]"]),
    ({"type": "array", "uniqueItems": True, "maxItems": 1}, ["[]", "[5]"], ["[1,2]"]),
    ({"type": "array", "uniqueItems": True, "items": {"type": "boolean"}}, ["[true,false]", "[]"], ["[true,true]"]),
    ({"type": "array", "contains": {"type": "string"}}, ['["a"]', '[1,"a",2]', '["a","b"]'], ["[]", "[1]"]),
    ({"type": "array", "contains": {"const": 1}, "minContains": 2, "maxItems": 4, "items": {"type": "integer"}},
     ["[1,1]", "[1,0,1]", "[2,1,1,1]"], ["[1]", "[1,2,3,1,1]"]),
    ({"type": "array", "contains": {"type": "null"}, "maxContains": 1, "minItems": 2},
     ["[null,1]", "[1,2,null]"], ["[null,null]", "[1,2]", "[null]"]),
    ({"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}], "items": {"type": "null"}},
     ["[]", '[1,"a"]', '[1,"a",null,null]'], ["[1,2]", '[1,"a",3]']),
    ({"type": "array", "prefixItems": [{"const": 1}], "minItems": 2, "items": {"const": 2}, "maxItems": 3},
     ["[1,2]", "[1,2,2]"], ["[1]", "[1,2,2,2]"]),
    ({"if": {"properties": {"kind": {"const": "a"}}, "required": ["kind"]},
      "then": {"required": ["x"]}, "else": {"required": ["y"]}, "type": "object",
      "properties": {"kind": {"enum": ["a", "b"]}, "x": {"type": "integer"}, "y": {"type": "integer"}}},
     ['{"kind":"a","x":1}', '{"kind":"b","y":1}', '{"y":1}'], ['{"kind":"a","y":1}', '{"kind":"b","x":1}', '{"x":1}']),
    ({"type": "integer", "if": {"minimum": 10}, "then": {"multipleOf": 5}}, ["3", "10", "15"], ["11", "13"]),
    ({"type": "object", "properties": {"a": {}, "b": {}, "c": {}}, "dependentRequired": {"a": ["b"], "b": ["c"]}},
     ["{}", '{"c":1}', '{"b":1,"c":1}', '{"a":1,"b":1,"c":1}'], ['{"a":1}', '{"a":1,"b":2}', '{"b":1}']),
    ({"type": "object", "dependentSchemas": {"a": {"properties": {"b": {"type": "string"}}, "required": ["b"]}}},
     ["{}", '{"b":2}', '{"a":1,"b":"s"}'], ['{"a":1}', '{"a":1,"b":2}']),
    ({"oneOf": [{"type": "integer", "multipleOf": 2}, {"type": "integer", "multipleOf": 3}]}, None, None),
    ({"oneOf": [{"minimum": 3}, {"maximum": 5}]}, ["2", "6", "2.5", "5.5"], ["3", "4", "5", "null"]),
    ({"oneOf": [{"type": "object", "required": ["a"], "properties": {"a": {}}, "additionalProperties": False},
                {"type": "object", "required": ["b"], "properties": {"b": {}}, "additionalProperties": False}]},
     ['{"a":1}', '{"b":2}'], ['{"a":1,"b":2}']),
    ({"oneOf": [{"required": ["a"]}, {"required": ["b"]}], "type": "object", "properties": {"a": {}, "b": {}}},
     ['{"a":1}', '{"b":2}'], ['{"a":1,"b":2}', "{}"]),
    ({"anyOf": [{"required": ["a"]}, {"required": ["b"]}], "type": "object", "properties": {"a": {}, "b": {}},
      "additionalProperties": False}, ['{"a":1}', '{"b":2}', '{"a":1,"b":2}'], ["{}"]),
    ({"allOf": [{"properties": {"a": {"minimum": 2}}}, {"properties": {"a": {"maximum": 4}}, "required": ["a"]}],
      "type": "object"}, ['{"a":3}', '{"a":"x"}'], ['{"a":1}', '{"a":5}', "{}"]),
    ({"allOf": [{"properties": {"a": {}}, "additionalProperties": False}, {"properties": {"b": {}}}],
      "type": "object"}, ["{}", '{"a":1}'], ['{"b":1}', '{"a":1,"b":1}']),
    ({"allOf": [{"type": "array", "items": {"type": "integer"}}, {"maxItems": 2, "items": {"minimum": 0}}]},
     ["[]", "[1,2]"], ["[-1]", "[1,2,3]", "[2.5]"]),
    ({"$defs": {"n": {"type": "object", "properties": {"v": {"type": "integer"}, "next": {"$ref": "#/$defs/n"}},
                      "required": ["v"], "additionalProperties": False}}, "$ref": "#/$defs/n"},
     ['{"v":1}', '{"v":1,"next":{"v":2}}'], ['{"v":1,"next":{}}']),
    ({"$defs": {"n": {"allOf": [{"type": "object"}, {"properties": {"c": {"type": "array", "items": {
        "allOf": [{"$ref": "#/$defs/n"}, {"minProperties": 1}]}}}}]}}, "$ref": "#/$defs/n"},
     ["{}", '{"c":[]}', '{"c":[{"c":[]}]}'], ['{"c":[{}]}', '{"c":[1]}']),
    ({"$ref": "#/$defs/s", "maxLength": 2, "$defs": {"s": {"type": "string", "minLength": 1}}}, ['"a"'],
     ['""', '"abc"']),
    ({"type": ["string", "null"], "minLength": 1}, ["null", '"a"'], ['""']),
    ({"type": "string", "format": "ipv4"}, ['"192.168.0.1"'], ['"1.2.3"', '"256.1.1.1"', '"01.2.3.4"']),
    ({"type": "string", "format": "ipv6"}, ['"::1"', '"2001:db8::ff00:42:8329"', '"1:2:3:4:5:6:7:8"', '"::"'],
     ['"1:2"', '"::1::"', '"12345::"']),
    ({"type": "string", "format": "date"}, ['"2024-02-29"', '"2023-12-31"'],
     ['"2023-02-29"', '"2024-13-01"', '"1900-02-29"']),
    ({"type": "string", "format": "time"}, ['"23:59:59Z"', '"01:02:03.5+01:00"'], ['"24:00:00Z"', '"1:2:3"']),
    ({"type": "string", "format": "date-time"}, ['"2024-02-29T12:00:00Z"'], ['"2024-02-29"', '"2024-02-29 12:00"']),
    ({"type": "string", "format": "email"}, ['"a.b@example.com"'], ['"ab"', '"@"']),
    ({"type": "string", "format": "uuid"}, ['"123e4567-e89b-12d3-a456-426614174000"'], ['"123e4567"']),
    ({"type": "string", "format": "hostname", "maxLength": 12}, ['"example.com"'], ['"-a-"', '"a_b"']),
    ({"type": "string", "format": "uri"}, ['"https://example.com/a?b#c"'], ['"a b"', '"x"']),
    ({"type": "string", "format": "duration"}, ['"P1DT2H"', '"P3W"'], ['"P"', '"1D"']),
    ({"type": "string", "format": "json-pointer"}, ['"/a/b~1c"', '""'], ['"a"', '"/~2"']),
    ({"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "array", "items": {"type": "number"}}},
      "required": ["a", "b"], "unevaluatedProperties": False}, ['{"a":"","b":[1.5]}'], ['{"a":"","b":[],"c":1}']),
    ({"type": "object", "properties": {"a": False, "b": True}}, ["{}", '{"b":1}'], ['{"a":1}']),
    ({"type": "object", "properties": {"n": {"type": "integer", "exclusiveMinimum": 0}, "q\"\\": {"const": "é\n"}}},
     ['{"n":5,"q\\"\\\\":"é\\n"}'], ['{"n":0}', '{"q\\"\\\\":1}']),
]


def valid(schema, text):
    checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
    return jsonschema.Draft202012Validator(schema, format_checker=checker).is_valid(json.loads(text))


def main():
    rows = []
    every = sorted({t for _, good, bad in CASES for t in (good or []) + (bad or [])})
    for number, (schema, good, bad) in enumerate(CASES):
        jsonschema.Draft202012Validator.check_schema(schema)
        if good is None:
            rows.append({"schema": schema, "refused": True})
            continue
        others = every[number % 7::7]
        texts = list(dict.fromkeys(good + bad + MIXED + others))
        for text in good:
            assert valid(schema, text), (schema, text)
        rows.append({"schema": schema, "taken": good,
                     "valid": [t for t in texts if valid(schema, t)],
                     "invalid": [t for t in texts if not valid(schema, t)]})
    print("[")
    print(",\n".join(json.dumps(row, ensure_ascii=False) for row in rows))
    print("]")


main()
