import { Args, Flags } from '@oclif/core';
import { ClientCommand } from '../../src/cli/client-command.ts';
import {
  checkInvitationFile,
  invitationFile,
  inviteNotes,
  inviteRequest,
  loopbackWarning,
  writeInvitation,
} from '../../src/cli/invite.ts';
import { paint } from '../../src/cli/paint.ts';
import { checkEnvFile, envBlock, writeEnvFile } from '../../src/config/agent-env.ts';
import { checkUrl } from '../../src/config/client-config.ts';
import { type Invitation, invitationLine } from '../../src/protocol/enrolment.ts';
import type { NodeCreated, NodeView } from '../../src/protocol/nodes.ts';

type Added = { node: NodeView; invitation: Invitation; file: string | null };
type AddedByHand = NodeCreated & { envFile: string | null };

export default class NodeAdd extends ClientCommand {
  static override summary = 'Create a node and the invitation with which a machine becomes it';
  static override description =
    'Writes NAME.invitation.json; on the machine, "flatrender node join" does the rest: tunnel, agent.env, service. The invitation ' +
    'is good once and for 24 hours. By hand: --agent-env or --manual give the secret for an agent.env instead; with --rotate a ' +
    'known node gets its next secret, and the one before works until the new one is used.';
  static override examples = [
    '<%= config.bin %> <%= command.id %> desktop --name "Desktop (RTX 4090)"',
    '<%= config.bin %> <%= command.id %> desktop --print --hours 1',
    '<%= config.bin %> <%= command.id %> desktop --agent-env agent.env --orchestrator-url http://10.66.0.1:8088',
    '<%= config.bin %> <%= command.id %> desktop --rotate --manual',
  ];
  static override args = {
    node: Args.string({ required: true, description: 'id: lower-case letters, digits, hyphens' }),
  };
  static override flags = {
    name: Flags.string({ helpValue: '<text>', description: 'name for people; default: the id' }),
    output: Flags.string({
      char: 'o',
      helpValue: '<path>',
      description: 'file of the invitation; default: NODE.invitation.json',
    }),
    print: Flags.boolean({ description: 'print the invitation as one line to paste' }),
    hours: Flags.string({ helpValue: '<n>', description: 'how long the invitation is good; default 24' }),
    address: Flags.string({
      helpValue: '<ip>',
      description: 'address in the mesh; default: the next free one',
    }),
    mesh: Flags.boolean({
      allowNo: true,
      default: true,
      description: 'with a tunnel, where the farm has a mesh',
    }),
    'orchestrator-url': Flags.string({
      helpValue: '<url>',
      description:
        'address at which the node reaches the control plane; default: gateway.publicUrl, or the one used here',
    }),
    'agent-env': Flags.string({
      helpValue: '<path>',
      description: 'no invitation: write an agent.env with the secret (mode 0600)',
      exclusive: ['output', 'print', 'hours', 'address'],
    }),
    manual: Flags.boolean({
      description: 'no invitation: print the lines of agent.env, the secret among them, this once',
      exclusive: ['output', 'print', 'hours', 'address'],
    }),
    rotate: Flags.boolean({ description: 'the next secret of a known node (with --agent-env or --manual)' }),
  };

  async run(): Promise<Added | AddedByHand> {
    const { args, flags } = await this.parse(NodeAdd);
    const given = flags['orchestrator-url'];
    if (given !== undefined) checkUrl(given, '--orchestrator-url');
    const byHand = flags.manual || flags['agent-env'] !== undefined || flags.rotate;
    return byHand ? await this.addByHand(args.node, flags) : await this.invite(args.node, flags);
  }

  private async invite(
    id: string,
    flags: { name?: string; output?: string; print: boolean } & Parameters<typeof inviteRequest>[0],
  ): Promise<Added> {
    const file = flags.print ? null : (flags.output ?? invitationFile(id));
    if (file !== null) checkInvitationFile(file, id);
    const request = inviteRequest(flags);
    const { node } = await this.api.createNode({
      id,
      ...(flags.name === undefined ? {} : { name: flags.name }),
    });
    const invitation = await this.api.inviteNode(id, request).catch(async (error) => {
      // Nothing half-done: the same command can be given again once that is mended.
      await this.api.removeNode(id).catch(() => undefined);
      throw error;
    });
    this.note(`created node ${id}`);
    if (file === null) this.print(invitationLine(invitation));
    else {
      writeInvitation(file, invitation);
      this.print(file);
    }
    this.warnOfLoopback(invitation.url);
    for (const note of inviteNotes(invitation, file)) this.note(note);
    return { node, invitation, file };
  }

  private async addByHand(
    id: string,
    flags: { name?: string; rotate: boolean; 'agent-env'?: string; 'orchestrator-url'?: string },
  ): Promise<AddedByHand> {
    const file = flags['agent-env'];
    const url = flags['orchestrator-url'] ?? this.clientConfig.url;
    if (file !== undefined) await checkEnvFile(file, id);
    const created = await this.api.createNode({
      id,
      rotate: flags.rotate,
      ...(flags.name === undefined ? {} : { name: flags.name }),
    });
    const credentials = { nodeId: created.node.id, secret: created.secret, url };
    this.note(flags.rotate ? `node ${id} has a new secret` : `created node ${id}`);
    if (file === undefined) this.print(envBlock(credentials));
    else {
      // The secret exists now and is shown once only: it must not be lost to a full disk.
      await writeEnvFile(file, credentials).catch((error) => {
        this.print(envBlock(credentials));
        throw error;
      });
      this.print(file);
    }
    if (flags['orchestrator-url'] === undefined) this.warnOfLoopback(url);
    this.note(`next, on the node: flatrender agent run --agent-env ${file ?? 'agent.env'}`);
    return { ...created, envFile: file ?? null };
  }

  private warnOfLoopback(url: string): void {
    const warning = loopbackWarning(url);
    if (warning !== null) this.note(paint('warning', warning, process.stderr));
  }
}
