import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, watch, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { installSimulator, type SimulatorOptions } from '../../after-effects/install-simulator.ts';
import { ProjectBuilder, textLayer } from '../../after-effects/project-builder.ts';
import { readProject, writeProject } from '../../after-effects/project-file.ts';
import type { SimText } from '../../after-effects/sim-project.ts';
import { temporaryDirectory } from '../../helpers/render-request.ts';

/** An installation in a directory with a space and a quotation mark in its name, and how to run scripts in it. */
function installed(t: TestContext, options: SimulatorOptions = {}) {
  const directory = join(temporaryDirectory(t), "it's here");
  const simulator = installSimulator(directory, options);
  const start = (script: string, args: readonly string[] = ['-noui']) => {
    const path = join(directory, 'script.jsx');
    writeFileSync(path, script);
    const child = spawn(simulator.afterfx, [...args, '-r', path], {
      env: { ...process.env, AE_SIM_FAULT: undefined },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    t.after(() => child.kill('SIGKILL'));
    return child;
  };
  const run = async (script: string, args?: readonly string[]) => {
    const child = start(script, args);
    const text = child.stdout.setEncoding('utf8').toArray();
    const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
    return { code, signal, text: (await text).join('') };
  };
  return { directory, simulator, start, run };
}

/** Until a file is there. */
async function appears(t: TestContext, directory: string, name: string): Promise<void> {
  const watcher = watch(directory);
  t.after(() => watcher.close());
  while (!existsSync(join(directory, name))) await once(watcher, 'change');
}

test('a script opens a project, changes a text and saves a copy; the exit code is app.exitCode', async (t) => {
  const { directory, run, simulator } = installed(t);
  const build = new ProjectBuilder();
  build.comp('main', { layers: [textLayer('Title', 'old')] });
  writeProject(join(directory, 'project.aep'), build.project);
  const { code } = await run(`
    var folder = new File($.fileName).parent.fsName;
    app.open(new File(folder + '/project.aep'));
    var property = app.project.item(1).layer('Title').property('Source Text');
    var text = property.value;
    text.text = 'new \\u00fc\\ntwo';
    property.setValue(text);
    app.project.save(new File(folder + '/bound.aep'));
    app.exitCode = 7;
    app.quit();`);
  assert.equal(code, 7);
  const [comp] = readProject(join(directory, 'bound.aep')).items;
  const layer = comp?.type === 'comp' ? comp.layers[0] : undefined;
  const value = layer?.properties[0]?.children?.[0]?.value as SimText | undefined;
  assert.equal(value?.text, 'new ü\rtwo');
  assert.equal(simulator.launches('AfterFX'), 1);
});

test('without app.quit() it stays open', async (t) => {
  const { directory, start } = installed(t);
  const child = start(
    `var f = new File(new File($.fileName).parent.fsName + '/done'); f.open('w'); f.close();`,
  );
  await appears(t, directory, 'done');
  assert.equal(child.exitCode, null);
});

test('alert waits for somebody and says its title and text', async (t) => {
  const { simulator, start } = installed(t);
  const child = start(`alert('All done', 'My script'); app.quit();`);
  await appears(t, simulator.directory, 'dialog');
  assert.equal(simulator.dialog(), 'My script\nAll done');
  assert.equal(child.exitCode, null);
});

test('a script that fails is shown in a dialog, or with -noui ends with an exit code', async (t) => {
  const { simulator, run, start } = installed(t);
  const broken = `\n\nnull.foo;`;
  const { code, text } = await run(broken);
  assert.equal(code, 5);
  assert.match(text, /Unable to execute script at line 3 of .*script\.jsx\. null is not an object/);
  assert.equal((await run('let x = 1;')).code, 3);
  start(broken, []);
  await appears(t, simulator.directory, 'dialog');
  assert.match(simulator.dialog() ?? '', /^After Effects\nUnable to execute script at line 3/);
});

test('a second one without -m hands its script over and ends; with -m it runs', async (t) => {
  const { directory, run, start } = installed(t);
  start(`var f = new File(new File($.fileName).parent.fsName + '/up'); f.open('w'); f.close();`);
  await appears(t, directory, 'up');
  const script = `app.exitCode = 4; app.quit();`;
  assert.deepEqual(await run(script), { code: 0, signal: null, text: '' });
  assert.equal((await run(script, ['-m', '-noui'])).code, 4);
});

const quits = 'app.exitCode = 9; app.quit();';
const saves = `app.project.save(new File(new File($.fileName).parent.fsName + '/x.aep')); ${quits}`;

for (const [fault, script, expected] of [
  ['licence', quits, { code: 1, signal: null }],
  ['script-error', quits, { code: 5, signal: null }],
  ['slow-start:20', quits, { code: 9, signal: null }],
  ['AfterFX/crash-at:50', saves, { code: null, signal: 'SIGSEGV' }],
] as const) {
  test(`told to, it plays ${fault}`, async (t) => {
    const { run, simulator } = installed(t);
    simulator.setFault(`${fault}@1`);
    const { code, signal } = await run(script);
    assert.deepEqual({ code, signal }, expected);
    assert.equal((await run(script)).code, 9);
  });
}

test('told to, it shows a dialog before the script', async (t) => {
  const { simulator, start, directory } = installed(t, { fault: 'dialog:crash-repair' });
  start(`var f = new File(new File($.fileName).parent.fsName + '/ran'); f.open('w'); f.close();`);
  await appears(t, simulator.directory, 'dialog');
  assert.match(simulator.dialog() ?? '', /^Crash Repair Options\n/);
  assert.equal(existsSync(join(directory, 'ran')), false);
});

test('a script sees the installation: version, language, fonts, templates, JSON only where there is one', async (t) => {
  const script = `
    var out = new File(new File($.fileName).parent.fsName + '/out'); out.encoding = 'UTF-8'; out.open('w');
    var comp = app.project.items.addComp('c', 100, 100, 1, 1, 25);
    var item = app.project.renderQueue.items.add(comp);
    out.write([app.version, app.isoLanguage, typeof JSON, app.fonts === undefined,
      item.outputModule(1).templates.join('+')].join('|'));
    out.close(); app.quit();`;
  const old = installed(t, { version: '23.5x52', language: 'de', outputModules: ['Verlustfrei'] });
  await old.run(script);
  assert.equal(readFileSync(join(old.directory, 'out'), 'utf8'), '23.5x52|de_DE|undefined|true|Verlustfrei');
  assert.match(old.simulator.directory, /Adobe After Effects 2023\/Support Files$/);
  const recent = installed(t, { version: '25.0x1', hasJSON: true, outputModules: ['A', 'B'] });
  await recent.run(script);
  assert.equal(readFileSync(join(recent.directory, 'out'), 'utf8'), '25.0x1|en_US|object|false|A+B');
});
