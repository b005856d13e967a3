/** The archive for Windows on a Windows of its own: unpacked, installed as a service, put to work, changed, removed. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setEnvLines } from '../../src/config/agent-env.ts';
import { probeMedia } from '../../src/media/probe.ts';
import type { JobView } from '../../src/protocol/jobs.ts';
import type { NodeView } from '../../src/protocol/nodes.ts';
import { writeProject } from '../after-effects/project-file.ts';
import { FONT, GREETING, greetingManifest, greetingProject } from '../helpers/after-effects.ts';
import { type Farm, mockTemplate, startFarm } from '../helpers/farm.ts';
import { jobView, untilJob } from '../helpers/farm-jobs.ts';
import { freePort } from '../helpers/free-port.ts';
import {
  addEncoder,
  installAfterEffects,
  otherVersion,
  SERVICE,
  unpackRelease,
  type WindowsNode,
  writeSettings,
} from '../helpers/windows-node.ts';
import { openWine, type Wine, wineSkip } from '../helpers/wine.ts';

const skip = await wineSkip();
const TITLE_CARD = join(import.meta.dirname, '../../templates/video/title-card');
const FONT_NAME = 'Inter-Medium';

interface Downloaded {
  readonly files: readonly { readonly path: string }[];
}

interface Submitted {
  readonly jobs: readonly JobView[];
}

test('flatrender.exe works as a Windows service', { skip, timeout: 400_000 }, async (t) => {
  await using farm = await startFarm();
  await using wine = await openWine();
  const node = await unpackRelease(wine, 'Flat Render (64 bit)', await freePort());
  await addEncoder(node);
  await installAfterEffects(wine, FONT, FONT_NAME);
  await service(t, farm, wine, node);
});

async function service(t: TestContext, farm: Farm, wine: Wine, node: WindowsNode): Promise<void> {
  const unpacked = (await readdir(node.directory)).filter((name) => name !== 'logs').sort();
  const run = async (...args: string[]): Promise<string> => {
    const { exitCode, stdout, stderr } = await node.flatrender(args, 150_000);
    assert.equal(exitCode, 0, `${args.join(' ')}: ${stdout}${stderr}\n${await node.logText()}`);
    return stdout;
  };

  await t.test('without settings there is no service, and it says what to do', async () => {
    const { exitCode, stderr } = await node.flatrender(['node', 'install']);
    assert.equal(exitCode, 2);
    assert.match(stderr, /there is no C:\\Program Files\\Flat Render \(64 bit\)\\agent\.env/);
    assert.equal(await node.serviceState(), null);
  });

  await t.test(
    'it is installed and runs, with its log and state beside it; again it is there already',
    async (t) => {
      await writeSettings(farm, node, 'win-1', { AE_FIRST_FRAME_SECONDS: '60' });
      const began = performance.now();
      assert.match(await run('node', 'install'), /^FlatRenderNodeAgent is installed; running/);
      await node.untilService('RUNNING');
      t.diagnostic(`node install → healthy: ${Math.round(performance.now() - began)} ms`);
      assert.ok(existsSync(join(node.directory, 'state', 'agent', 'win-1')));
      assert.ok((await node.log()).some(({ event }) => event === 'service.running'));
      assert.match(await run('node', 'install'), /^FlatRenderNodeAgent is already installed; running/);
      assert.match(await run('node', 'status'), /running/);
    },
  );

  await t.test('it renders: test pictures, Lottie, and After Effects', async (t) => {
    await farm.pushTemplate(mockTemplate('quick', 0));
    await farm.run(['template', 'push', TITLE_CARD]);
    await pushGreeting(farm);
    const made = { quick: 10, 'title-card': 150, greeting: GREETING.frames };
    for (const [template, frames] of Object.entries(made)) {
      await t.test(template, async (t) => {
        const { jobs } = await farm.run<Submitted>(['job', 'submit', '-t', template]);
        const id = jobs[0]?.id ?? '';
        const job = await untilJob(farm, id, ({ endedAt }) => endedAt !== null, 45_000).catch(
          async (error) => {
            t.diagnostic(`${await tellAll(farm, wine, node, id)}`);
            throw error;
          },
        );
        if (job.state !== 'succeeded') t.diagnostic(await tellAll(farm, wine, node, id));
        assert.deepEqual([job.state, job.tasks?.[0]?.failures], ['succeeded', 0]);
        assert.equal(job.tasks?.[0]?.result?.mock, undefined);
        const [file] = (await farm.run<Downloaded>(['job', 'download', id, '-o', farm.home])).files;
        const { frames: found, damage } = await probeMedia(file?.path ?? '', { ffmpegPath: '' });
        assert.deepEqual([found, damage], [frames, []]);
      });
    }
    assert.deepEqual(wine.processes(/aerender|AfterFX/i), [], 'After Effects has ended');
  });

  await t.test('a stop hands the render back at once, and a start takes it up again', async () => {
    await farm.pushTemplate(mockTemplate('slow', 60));
    const { jobs } = await farm.run<Submitted>(['job', 'submit', '-t', 'slow']);
    const id = jobs[0]?.id ?? '';
    await untilJob(farm, id, (job) => (job.tasks?.[0]?.frame ?? 0) > 3);
    const began = performance.now();
    assert.match(await run('node', 'stop'), /^stopped/);
    t.diagnostic(`node stop while it renders: ${Math.round(performance.now() - began)} ms`);
    assert.equal(await node.serviceState(), 'STOPPED');
    const [task] = (await jobView(farm, id)).tasks ?? [];
    assert.equal(task?.state, 'queued');
    assert.deepEqual(
      task?.attempts?.map(({ outcome }) => outcome),
      ['interrupted'],
    );
    assert.equal(task?.failures, 0);
    assert.deepEqual(wine.processes(/flatrender\.exe/), []);
    assert.ok(
      (await node.log()).some(({ event, exitCode }) => event === 'service.stopped' && exitCode === 0),
    );

    assert.match(await run('node', 'start'), /^started; running/);
    await untilJob(farm, id, (job) => job.tasks?.[0]?.epoch === 2 && (job.tasks[0].frame ?? 0) > 3);
    await farm.run(['job', 'cancel', id]);
  });

  await t.test('when it is killed, what it started is gone as well', async () => {
    assert.equal(wine.kill(/flatrender\.exe agent run --service/), 1);
    await node.untilService('STOPPED');
    await untilNone(wine, /flatrender\.exe/);
  });

  await t.test('settings that are wrong end it with an exit code and a line in its log', async () => {
    const file = join(node.directory, 'agent.env');
    const right = await readFile(file, 'utf8');
    await writeFile(file, setEnvLines(right, { MAX_CONCURRENT_JOBS: 'many' }));
    const { exitCode, stderr } = await node.flatrender(['node', 'start']);
    assert.equal(exitCode, 1);
    assert.match(stderr, /FlatRenderNodeAgent does not run: exit code 2[\s\S]*MAX_CONCURRENT_JOBS/);
    const failed = (await node.log()).findLast(({ event }) => event === 'service.failed');
    assert.match(JSON.stringify(failed), /MAX_CONCURRENT_JOBS.*many.*is not valid/);
    const { stdout } = await wine.run('sc', ['query', SERVICE]);
    assert.match(stdout, /WIN32_EXIT_CODE\s*: 1066[\s\S]*SERVICE_EXIT_CODE\s*: 2\b/);
    await writeFile(file, right);
    assert.equal((await node.flatrender(['node', 'config', 'set', 'MAX_CONCURRENT_JOBS=many'])).exitCode, 2);
    assert.match(await run('node', 'config', 'set', 'MAX_CONCURRENT_JOBS=3'), /MAX_CONCURRENT_JOBS changed/);
  });

  await t.test(
    'it runs while the control plane is away, with its new settings once that is back',
    async () => {
      await farm.control().stop();
      assert.match(await run('node', 'start'), /^started; running/);
      await farm.startControl();
      const giveUpAt = performance.now() + 30_000;
      let slots: unknown;
      while (slots !== 3 && performance.now() < giveUpAt) {
        const { body } = await farm.client.call('GET', '/v1/nodes/win-1');
        slots = (body as unknown as NodeView).capabilities?.maxConcurrentJobs;
      }
      assert.equal(slots, 3);
    },
  );

  await t.test('another version takes its place, a file that is none does not', async (t) => {
    await writeFile(join(wine.driveC, 'none.exe'), 'MZ and no more');
    const refused = await node.flatrender(['node', 'update', 'C:\\none.exe'], 150_000);
    assert.equal(refused.exitCode, 1);
    assert.match(refused.stderr, /is no flatrender for this machine/);
    assert.equal(await node.serviceState(), 'RUNNING');
    const file = await otherVersion(wine, '99.0.0');
    const began = performance.now();
    assert.match(await run('node', 'update', file), /^updated from version \S+ to 99\.0\.0/);
    t.diagnostic(`node update: ${Math.round(performance.now() - began)} ms`);
    await node.untilService('RUNNING');
    assert.match((await node.flatrender(['--version'])).stdout, /^flatrender\/99\.0\.0 /);
    const { agent } = (await (await fetch(node.healthUrl)).json()) as { agent: { version: string } };
    assert.equal(agent.version, '99.0.0');
  });

  await t.test('removed, it leaves nothing but the files of the archive', async () => {
    assert.match(await run('node', 'uninstall', '--purge', '--yes'), /the service is removed/);
    assert.equal(await node.serviceState(), null);
    assert.deepEqual(wine.processes(/flatrender\.exe/), []);
    assert.deepEqual((await readdir(node.directory)).sort(), unpacked);
    assert.match(await run('node', 'uninstall'), /already/);
  });
}

/** What there is to know about a job that did not go well. */
async function tellAll(farm: Farm, wine: Wine, node: WindowsNode, id: string): Promise<string> {
  const { lines } = await farm.run<{ lines: { line: string }[] }>(['job', 'logs', id]);
  const log = (await node.log()).slice(-30).map((line) => JSON.stringify(line));
  return [...lines.map(({ line }) => line), ...log, ...wine.processes(/\.exe/)].join('\n');
}

async function pushGreeting(farm: Farm): Promise<void> {
  const directory = join(farm.home, 'greeting');
  await mkdir(directory);
  writeProject(join(directory, 'project.aep'), greetingProject(directory));
  const manifest = { schema: 1, name: 'greeting', version: '1.0.0', ...greetingManifest() };
  // YAML takes JSON as it is.
  await writeFile(join(directory, 'template.yaml'), JSON.stringify(manifest));
  await farm.run(['template', 'push', directory]);
}

async function untilNone(wine: Wine, pattern: RegExp): Promise<void> {
  const giveUpAt = performance.now() + 10_000;
  while (wine.processes(pattern).length > 0) {
    assert.ok(performance.now() < giveUpAt, `still there: ${wine.processes(pattern).join(', ')}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
