import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Flags } from '@oclif/core';
import { ClientCommand } from '../src/cli/client-command.ts';
import { logTail } from '../src/cli/farm-processes.ts';
import { farmLogs, startLocalFarm } from '../src/cli/local-farm.ts';
import { formatDuration } from '../src/cli/output.ts';
import { paint } from '../src/cli/paint.ts';
import { runSmokeTest, type SmokeResult } from '../src/cli/smoke-test.ts';
import { createSteps } from '../src/cli/steps.ts';
import type { Api } from '../src/client/api.ts';

interface Result extends SmokeResult {
  url: string;
  /** The farm was made for the test. */
  ephemeral: boolean;
}

export default class SmokeTest extends ClientCommand {
  static override summary = 'Send one small job through a farm and time every step';
  static override description =
    `Without --url: through a control plane and an agent started for the test, in a temporary directory.
With --url (or --live, for the one of "flatrender login"): through that farm. Exit code 0 when the file arrived and is right.`;
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --live --node desktop',
    '<%= config.bin %> <%= command.id %> --url http://10.66.0.1:8088 --token "$TOKEN" --json',
  ];
  static override flags = {
    live: Flags.boolean({ description: 'the farm this terminal is logged in to' }),
    node: Flags.string({ helpValue: '<id>', description: 'on this node only' }),
    template: Flags.string({
      char: 't',
      helpValue: '<name>',
      description: 'a template of the farm instead of the built-in one',
    }),
    timeout: Flags.integer({ default: 60, min: 1, helpValue: '<seconds>', description: 'give up after' }),
  };

  async run(): Promise<Result> {
    const { flags } = await this.parse(SmokeTest);
    const live =
      flags.live || flags.url !== undefined || flags.node !== undefined || flags.template !== undefined;
    const test = async (api: Api, ephemeral: boolean): Promise<Result> => {
      const result = await createSteps({ quiet: this.jsonEnabled() }).run('Job', (say) =>
        runSmokeTest({
          api,
          say,
          signal: this.signal,
          template: flags.template,
          node: flags.node,
          timeoutMs: flags.timeout * 1000,
        }),
      );
      for (const step of result.steps) {
        this.print(
          `${paint('good', 'ok')} ${step.name.padEnd(9)} ${`${step.ms} ms`.padStart(9)}  ${step.detail}`,
        );
      }
      this.note(`job ${result.job} went through in ${formatDuration(result.totalMs)}`);
      return { ...result, url: api.target.url, ephemeral };
    };
    return live ? test(this.api, false) : this.onEphemeralFarm((api) => test(api, true));
  }

  private async onEphemeralFarm(test: (api: Api) => Promise<Result>): Promise<Result> {
    const home = await mkdtemp(join(tmpdir(), 'flatrender-smoke-farm-'));
    try {
      const farm = await createSteps({ quiet: this.jsonEnabled() }).run('Farm', (say) =>
        startLocalFarm({ home, signal: this.signal, say }),
      );
      try {
        return await test(farm.api);
      } catch (error) {
        // The logs go with the directory.
        const tail = logTail(farmLogs(home).agent, 10);
        if (tail && !this.signal.aborted) this.note(`end of the agent's log:\n${tail}`);
        throw error;
      } finally {
        await farm.stop();
      }
    } finally {
      await rm(home, { recursive: true, force: true });
    }
  }
}
