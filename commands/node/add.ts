import { Args, Flags } from '@oclif/core';
import { ClientCommand } from '../../src/cli/client-command.ts';
import { paint } from '../../src/cli/paint.ts';
import { checkEnvFile, envBlock, writeEnvFile } from '../../src/config/agent-env.ts';
import { checkUrl } from '../../src/config/client-config.ts';
import type { NodeCreated } from '../../src/protocol/nodes.ts';

export default class NodeAdd extends ClientCommand {
  static override summary = 'Create a node; its secret is shown this once';
  static override description =
    'With --rotate a known node gets its next secret; the one before works until the new one is used.';
  static override examples = [
    '<%= config.bin %> <%= command.id %> desktop --name "Desktop (RTX 4090)"',
    '<%= config.bin %> <%= command.id %> desktop --agent-env agent.env --orchestrator-url http://10.66.0.1:8088',
    '<%= config.bin %> <%= command.id %> desktop --rotate',
  ];
  static override args = {
    node: Args.string({ required: true, description: 'id: lower-case letters, digits, hyphens' }),
  };
  static override flags = {
    name: Flags.string({ helpValue: '<text>', description: 'name for people; default: the id' }),
    rotate: Flags.boolean({ description: 'issue the next secret of a known node' }),
    'agent-env': Flags.string({
      helpValue: '<path>',
      description: 'write an agent.env with the secret (mode 0600) instead of printing it',
    }),
    'orchestrator-url': Flags.string({
      helpValue: '<url>',
      description: 'address at which the node reaches the control plane; default: the one used here',
    }),
  };

  async run(): Promise<NodeCreated & { envFile: string | null }> {
    const { args, flags } = await this.parse(NodeAdd);
    const file = flags['agent-env'];
    const given = flags['orchestrator-url'];
    const url = given === undefined ? this.clientConfig.url : checkUrl(given, '--orchestrator-url');
    if (file !== undefined) await checkEnvFile(file, args.node);
    const created = await this.api.createNode({
      id: args.node,
      rotate: flags.rotate,
      ...(flags.name === undefined ? {} : { name: flags.name }),
    });
    const credentials = { nodeId: created.node.id, secret: created.secret, url };
    this.note(flags.rotate ? `node ${args.node} has a new secret` : `created node ${args.node}`);
    if (file === undefined) this.print(envBlock(credentials));
    else {
      // The secret exists now and is shown once only: it must not be lost to a full disk.
      await writeEnvFile(file, credentials).catch((error) => {
        this.print(envBlock(credentials));
        throw error;
      });
      this.print(file);
    }
    if (given === undefined && /^https?:\/\/(localhost|127\.|\[::1\])/.test(url)) {
      const warning = `${url} is only reachable from this machine; for a node elsewhere set ORCHESTRATOR_URL (--orchestrator-url)`;
      this.note(paint('warning', warning, process.stderr));
    }
    this.note(`next, on the node: flatrender agent run --agent-env ${file ?? 'agent.env'}`);
    return { ...created, envFile: file ?? null };
  }
}
