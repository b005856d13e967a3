import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { ES3_GLOBALS, ES3_MEMBERS } from '../../after-effects/script-host/es3-names.ts';
import { extendScriptTraps } from '../../after-effects/script-host/parse-script.ts';
import { Realm, ScriptAbort } from '../../after-effects/script-host/realm.ts';
import { makeScriptHost } from '../../after-effects/script-host/script-host.ts';
import { temporaryDirectory } from '../../helpers/render-request.ts';

function run(script: string, hasJson = false): unknown {
  return new Realm({ hasJson }).run(script, '/dir/script.jsx');
}

function failure(script: string) {
  const realm = new Realm({ hasJson: false });
  try {
    realm.run(script, '/dir/script.jsx');
  } catch (error) {
    return realm.failureOf(error);
  }
  return assert.fail('it ran');
}

const newer = [
  'let x = 1',
  'const x = 1',
  'var f = () => 1',
  'var s = `a`',
  'class A {}',
  'for (var x of []) {}',
  'var {a} = {}',
  'f(...[])',
  'var o = {a, b: 1}',
  'var o = {a: 1,}',
  'var o = {get a() { return 1; }}',
  'var o = {class: 1}',
  'o.delete()',
  'var int = 1',
  'a ?? b',
  'a?.b',
  'a ** b',
  'function f(a = 1) {}',
  'async function f() {}',
  'function* f() {}',
  'try { f() } catch { }',
  '/(?<=a)b/',
  '/(?<name>a)/',
  '/a/u',
  '0b11',
  '1_000',
  '"\\u{61}"',
  'import "x"',
];

for (const script of newer) {
  test(`no ECMAScript 3: ${script}`, () => {
    const { message, line, file } = failure(`var before;\n${script}`);
    assert.match(message, /^Syntax error/);
    assert.deepEqual([line, file], [2, '/dir/script.jsx']);
  });
}

test('a script has nothing that is newer than ECMAScript 3', () => {
  const realm = new Realm({ hasJson: false });
  // What is newest of the engine that runs this, looked up from outside of the script.
  const names = Object.getOwnPropertyNames(globalThis).filter((name) => !ES3_GLOBALS.includes(name));
  assert.ok(
    ['JSON', 'Promise', 'Map', 'Symbol', 'Uint8Array', 'globalThis'].every((name) => names.includes(name)),
  );
  for (const name of names) assert.equal(realm.run(`typeof ${name}`, 'x'), 'undefined', name);
  const world = globalThis as unknown as Record<string, Record<string, object>>;
  for (const [path, members] of Object.entries(ES3_MEMBERS)) {
    const [name = '', prototype] = path.split('.');
    const object = prototype ? world[name]?.[prototype] : world[name];
    for (const [member, { configurable }] of Object.entries(Object.getOwnPropertyDescriptors(object))) {
      // Constants such as Number.EPSILON cannot be taken out.
      if (!members.includes(member) && configurable)
        assert.equal(realm.run(`typeof ${path}["${member}"]`, 'x'), 'undefined', `${path}.${member}`);
    }
  }
});

for (const expression of [
  '[].forEach',
  '[].map',
  '[].filter',
  '[].indexOf',
  'Array.isArray',
  'Object.keys',
  'Object.create',
  'Object.defineProperty',
  '"".trim',
  '"".includes',
  '"".startsWith',
  '(function () {}).bind',
  'Date.now',
  'new Date().toISOString',
  'Number.isInteger',
  'Math.trunc',
]) {
  test(`${expression} is not there`, () => {
    assert.equal(run(`typeof ${expression}`), 'undefined');
  });
}

test('what ECMAScript 3 has works', () => {
  assert.equal(run('"a-b".split("-").concat(["c"]).join("+").replace(/b/g, "x")'), 'a+x+c');
  assert.equal(run('var n = 0; for (var k in {a: 1, b: 2}) n++; n'), 2);
  assert.equal(run('new Date(2020, 0, 2).getFullYear() + parseInt("7px", 10)'), 2027);
  assert.equal(run('(function () { return arguments.length; }).apply(null, [1, 2])'), 2);
  assert.equal(run('escape("ü") + unescape("%41")'), '%FCA');
});

test('newer versions have JSON', () => {
  assert.equal(run('JSON.stringify({a: [1]})', true), '{"a":[1]}');
});

test('errors say where they are and what ExtendScript says', () => {
  const caught = (code: string) =>
    run(`try {\n${code}\n} catch (e) { [e.line, e.fileName, e.message].join("|") }`);
  assert.equal(caught('null.x'), '2|/dir/script.jsx|null is not an object');
  assert.equal(caught('\nvar u; u.x = 1'), '3|/dir/script.jsx|undefined is not an object');
  assert.equal(caught('var o = {}; o.f()'), '2|/dir/script.jsx|Function o.f is undefined');
  assert.equal(caught('nothing'), '2|/dir/script.jsx|nothing is undefined');
  assert.equal(caught('throw new Error("mine")'), '2|/dir/script.jsx|mine');
  assert.deepEqual(failure('\n\n\nthrow new Error("mine")'), {
    message: 'mine',
    file: '/dir/script.jsx',
    line: 4,
  });
  assert.equal(run('try { throw 3 } catch (e) { e + 1 }'), 4);
});

function host(t: TestContext) {
  const directory = temporaryDirectory(t);
  const shown: string[] = [];
  const realm = makeScriptHost({
    hasJson: false,
    locale: 'de_DE',
    showDialog: (kind, title, text) => {
      shown.push(`${kind} ${title}: ${text}`);
      throw new ScriptAbort('a dialog');
    },
  });
  realm.define('dir', directory);
  const script = join(directory, 'main.jsx');
  return { directory, shown, realm, run: (source: string) => realm.run(source, script) };
}

test('a dialog ends a script, whatever it catches', (t) => {
  const { run: runIn, shown } = host(t);
  assert.throws(() => runIn('try { alert("a\\nb") } catch (e) { 1 }'), ScriptAbort);
  assert.deepEqual(shown, ['alert Script Alert: a\nb']);
});

test('File writes and reads texts in its encoding', (t) => {
  const { directory, run: runIn } = host(t);
  runIn(`var f = new File(dir + '/a.txt'); f.encoding = 'UTF-8'; f.lineFeed = 'Windows';
    f.open('w'); f.writeln('gr\\u00fc\\u00df'); f.write('\\u4e2d', 2); f.close();`);
  assert.equal(readFileSync(join(directory, 'a.txt'), 'utf8'), 'grüß\r\n中2');
  assert.equal(runIn(`f.open('r'); var t = f.read(); f.close(); t`), 'grüß\n中2');
  assert.equal(
    runIn(`f.open('r'); var l = f.readln() + '|' + f.readln() + '|' + f.eof; f.close(); l`),
    'grüß|中2|true',
  );
  // Without an encoding it is that of the system: no UTF-8.
  assert.equal(runIn(`f = new File(dir + '/a.txt'); f.open('r'); t = f.read(4); f.close(); t`), 'grÃ¼');
  runIn(
    `f = new File(dir + '/b.bin'); f.encoding = 'BINARY'; f.open('w'); f.write('\\x00\\xff\\n'); f.close();`,
  );
  assert.deepEqual([...readFileSync(join(directory, 'b.bin'))], [0, 255, 10]);
  assert.equal(runIn(`f = new File(dir + '/b.bin'); f.open('a'); f.write('z'); f.close(); f.length`), 4);
});

test('File says why it fails instead of throwing', (t) => {
  const { run: runIn } = host(t);
  assert.equal(
    runIn(
      `var f = new File(dir + '/none/a.txt'); [f.exists, f.open('r'), f.error, f.open('w'), f.write('x')].join('|')`,
    ),
    'false|false|File or folder does not exist|false|false',
  );
});

test('paths are native or URIs; %41 is an escaped letter', (t) => {
  const { directory, run: runIn } = host(t);
  writeFileSync(join(directory, '100% ü.txt'), '');
  const read = (path: string) =>
    runIn(
      `var f = new File(dir + '/${path}'); [f.exists, f.name, f.displayName, f.fsName.slice(dir.length)].join('|')`,
    );
  assert.equal(read('100%25%20%C3%BC.txt'), 'true|100%25%20%C3%BC.txt|100% ü.txt|/100% ü.txt');
  assert.equal(read('%41.txt'), 'false|A.txt|A.txt|/A.txt');
  assert.equal(runIn(`new File(f.fullName).fsName === f.fsName && f.parent.fsName === dir`), true);
  assert.equal(runIn(`File(dir) instanceof Folder && Folder(dir).exists`), true);
  assert.equal(runIn(`new File('~/x').fsName.indexOf('~')`), -1);
});

test('files are renamed, copied, removed and listed', (t) => {
  const { directory, run: runIn } = host(t);
  writeFileSync(join(directory, 'a.txt'), 'A');
  writeFileSync(join(directory, 'b.jsx'), 'B');
  assert.equal(
    runIn(`var f = new File(dir + '/a.txt'); f.copy(dir + '/c.txt') && f.rename('d.txt') && f.name`),
    'd.txt',
  );
  assert.equal(runIn(`f.rename('b.jsx')`), false);
  assert.equal(runIn(`new File(dir + '/c.txt').remove()`), true);
  assert.equal(runIn(`new Folder(dir + '/x/y').create() && Folder(dir).getFiles('*.txt')[0].name`), 'd.txt');
  assert.deepEqual([existsSync(join(directory, 'a.txt')), existsSync(join(directory, 'x/y'))], [false, true]);
});

test('$ knows the script, runs others, and reads the environment', (t) => {
  const { directory, run: runIn } = host(t);
  writeFileSync(join(directory, 'other.jsx'), '\ufeff\nvar shared = 5; $.fileName + $.line');
  assert.equal(runIn('File($.fileName).name + $.locale + $.line'), 'main.jsxde_DE1');
  assert.match(String(runIn('$.evalFile(new File(dir + "/other.jsx"))')), /\/other\.jsx2$/);
  assert.equal(runIn('shared + ($.global.shared = 6)'), 11);
  assert.equal(runIn('typeof $.getenv("PATH") + $.getenv("NO_SUCH_VARIABLE")'), 'stringnull');
});

test('an error in a script that another one runs says its own file and line', (t) => {
  const { directory, run: runIn } = host(t);
  writeFileSync(join(directory, 'other.jsx'), '\n\nnull.x');
  const caught = runIn(
    'try { $.evalFile(new File(dir + "/other.jsx")) } catch (e) { e.fileName + "|" + e.line }',
  );
  assert.equal(caught, `${join(directory, 'other.jsx')}|3`);
  writeFileSync(join(directory, 'other.jsx'), '\nlet x');
  assert.match(
    String(runIn('try { $.evalFile(dir + "/other.jsx") } catch (e) { e.message }')),
    /^Syntax error/,
  );
});

test('#include takes the place of its line, #target says nothing', (t) => {
  const { directory, run: runIn } = host(t);
  writeFileSync(join(directory, 'part.jsx'), 'var part = 3;\nfunction fails() { null.x }');
  assert.equal(runIn('#target aftereffects\n//@include "part.jsx"\npart'), 3);
  assert.equal(
    runIn('#include "part.jsx"\ntry { fails() } catch (e) { e.fileName + "|" + e.line }'),
    `${join(directory, 'part.jsx')}|2`,
  );
});

test('what ExtendScript reads in its own way is found', () => {
  assert.deepEqual(extendScriptTraps('a ? b : c ? d : e;\n a && b || c;'), [
    'line 1: a conditional expression in another one',
    'line 2: && beside ||',
  ]);
  assert.deepEqual(extendScriptTraps('a ? b : (c ? d : e);\n (a && b) || c; a || b || c'), []);
});
