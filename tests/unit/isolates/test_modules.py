"""Modules become scripts whose lines stay where they are."""

import pytest

from dragoman.adapters.isolates.modules import as_script
from dragoman.kit.errors import InvalidInput


@pytest.mark.parametrize(
    ("module", "script"),
    [
        ("export default { a: 1 }", "__exports.default = { a: 1 }"),
        ("export\n  default {}", "__exports.default =\n {}"),
        ("export const a = 1;\nexport async function f() {}", " const a = 1;\n async function f() {}"),
        ("const w = {};\nexport { w as default, w };", "const w = {};\n\n;__exports.default = w;"),
        ("// export default x\n/* export default */ 1", "// export default x\n/* export default */ 1"),
        (
            "const s = 'export default', t = \"export default\"",
            "const s = 'export default', t = \"export default\"",
        ),
        ("const s = `export default ${ `export default ${1}` } export default`", None),
        ("const r = /export default '/g; const q = 4 / 2 / 1", None),
        ("const o = { export: 1 }; o.export; o.import", None),
        ("const m = () => import('x'); import.meta", None),
        ("const a = x ? /[/'`]/ : 1\nconst b = `${ {a: '}'}.a }`", None),
        (
            "const s = 'a\\'export default'\nexport default 1",
            "const s = 'a\\'export default'\n__exports.default = 1",
        ),
    ],
)
def test_exports_become_assignments(module: str, script: str | None) -> None:
    assert as_script(module) == (module if script is None else script)


@pytest.mark.parametrize(
    ("module", "message"),
    [
        ("\nimport a from 'b'\nexport default {}", "Line 2: import"),
        ("import 'b'", "Line 1: import"),
        ("\n\nexport * from 'b'", "Line 3: export"),
    ],
)
def test_other_modules_are_refused(module: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        as_script(module)
