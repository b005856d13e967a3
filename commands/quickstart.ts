import { existsSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { Flags } from '@oclif/core';
import { BaseCommand } from '../src/cli/base-command.ts';
import { farmFile, stopLocalFarm } from '../src/cli/local-farm.ts';
import { nextSteps, type QuickstartResult, runQuickstart } from '../src/cli/quickstart.ts';
import { createSteps } from '../src/cli/steps.ts';
import { flatrenderHome } from '../src/config/home.ts';

export default class Quickstart extends BaseCommand {
  static override summary = 'A farm on this machine and a first video from it, in one command';
  static override description =
    `Starts a control plane and an agent, pushes a starter template, renders a job and downloads the result.
Its state is in a directory of its own ("quickstart" in the state directory). It can be repeated; a farm that was kept is used again.`;
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --title "Hello from the farm" --output hello.mp4',
    '<%= config.bin %> <%= command.id %> --keep',
    '<%= config.bin %> <%= command.id %> --stop',
  ];
  static override flags = {
    title: Flags.string({
      helpValue: '<text>',
      default: 'Rendered here',
      description: 'the title in the video',
    }),
    template: Flags.string({
      char: 't',
      helpValue: '<name|directory>',
      default: 'title-card',
      description: 'a starter template, or a directory with a template.yaml',
    }),
    set: Flags.string({
      multiple: true,
      multipleNonGreedy: true,
      helpValue: '<input=value>',
      description: 'another input of the template',
    }),
    output: Flags.string({
      char: 'o',
      helpValue: '<path>',
      description: 'file (replaced) or directory; default: the current directory',
    }),
    keep: Flags.boolean({ description: 'leave the farm running' }),
    stop: Flags.boolean({
      exclusive: ['keep', 'output', 'set'],
      description: 'end a farm that was kept, nothing else',
    }),
  };

  async run(): Promise<QuickstartResult | { stopped: boolean }> {
    const { flags } = await this.parse(Quickstart);
    // In a terminal that uses a kept farm, FLATRENDER_HOME is that farm.
    const own = flatrenderHome();
    const home = existsSync(farmFile(own)) ? own : join(own, 'quickstart');
    if (flags.stop) {
      const stopped = await stopLocalFarm(home);
      this.print(stopped ? 'the quickstart farm is stopped' : 'no quickstart farm is running');
      return { stopped };
    }
    // A closed terminal must not leave a farm behind.
    process.on('SIGHUP', () => process.emit('SIGTERM'));
    const result = await runQuickstart({
      home,
      template: flags.template,
      set: [...starterInputs(flags), ...(flags.set ?? [])],
      output: flags.output,
      keep: flags.keep,
      signal: this.signal,
      steps: createSteps({ quiet: this.jsonEnabled() }),
      onFailure: (logEnd) => this.note(logEnd),
    });
    this.note();
    for (const line of nextSteps(result)) this.print(line);
    return result;
  }
}

/** Inputs that make the video the user's own; what --set gives is left out. */
function starterInputs(flags: {
  template: string;
  title?: string | undefined;
  set?: string[] | undefined;
}): string[] {
  const starter = flags.template === 'title-card';
  const inputs: Record<string, string | undefined> = {
    title: flags.title ?? (starter ? 'Rendered here' : undefined),
    subtitle: starter ? `by flatrender, on ${hostname()}` : undefined,
    accent: starter ? '#3ddc97' : undefined,
  };
  const given = new Set((flags.set ?? []).map((pair) => pair.split('=')[0]));
  return Object.entries(inputs)
    .filter(([name, value]) => value !== undefined && !given.has(name))
    .map(([name, value]) => `${name}=${value?.startsWith('@') ? '@' : ''}${value}`);
}
