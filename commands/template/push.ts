import { Args } from '@oclif/core';
import { ClientCommand } from '../../src/cli/client-command.ts';
import { formatBytes } from '../../src/cli/output.ts';
import { createSteps } from '../../src/cli/steps.ts';
import { type PushedTemplate, pushTemplate } from '../../src/cli/template-push.ts';

export default class TemplatePush extends ClientCommand {
  static override summary = 'Check a template and make it available to the farm';
  static override description =
    'A pushed version never changes; pushing the same content again does nothing. Needs a token with the role admin: templates can run code on the nodes.';
  static override examples = [
    '<%= config.bin %> <%= command.id %> my-template',
    '<%= config.bin %> <%= command.id %> bundle.zip',
  ];
  static override args = {
    path: Args.string({ description: 'folder or zip of the template', default: '.' }),
  };

  async run(): Promise<PushedTemplate> {
    const { args } = await this.parse(TemplatePush);
    const { api, signal } = this;
    const steps = createSteps({ quiet: this.jsonEnabled() });
    const pushed = await steps.run('Push', (say) =>
      pushTemplate(api, args.path, {
        signal,
        onProgress: (done, total) => say(`${formatBytes(done)} of ${formatBytes(total)}`),
      }),
    );
    for (const warning of pushed.warnings) this.note(`warning: ${warning.message}`);
    const { name, version, sizeBytes } = pushed.template;
    const what = `${name}@${version} (${formatBytes(sizeBytes)})`;
    this.print(pushed.already ? `already pushed ${what}` : `pushed ${what}`);
    this.note(`next: flatrender job submit -t ${name}, or flatrender template show ${name}`);
    return pushed;
  }
}
