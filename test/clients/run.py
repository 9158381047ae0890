"""Runs test/clients/*_test.py, or those named; the last line is N passed, N failed, N skipped."""
import pathlib
import sys
import unittest

here = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(here))
names = [pathlib.Path(n).stem for n in sys.argv[1:]] or sorted(p.stem for p in here.glob("*_test.py"))
tests = unittest.defaultTestLoader.loadTestsFromNames(names)
result = unittest.TextTestRunner(verbosity=2, stream=sys.stdout).run(tests)
failed, skipped = len(result.failures) + len(result.errors), len(result.skipped)
print(f"{result.testsRun - failed - skipped} passed, {failed} failed, {skipped} skipped")
sys.exit(failed > 0)
