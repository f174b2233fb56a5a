"""The tests of the tests: each rule, broken on purpose, turns the suite red."""
