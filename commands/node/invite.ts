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
import { confirm } from '../../src/cli/prompt.ts';
import { type Invitation, invitationLine } from '../../src/protocol/enrolment.ts';

export default class NodeInvite extends ClientCommand {
  static override summary = 'Make a new invitation for a node; the ones before are dead';
  static override description =
    'For a machine that is set up anew, or when an invitation was lost, has expired or may be in wrong hands. In a mesh the ' +
    'tunnel of the node is cut until the invitation is used.';
  static override examples = [
    '<%= config.bin %> <%= command.id %> desktop',
    '<%= config.bin %> <%= command.id %> desktop --print --hours 1',
  ];
  static override args = { node: Args.string({ required: true, description: 'node id' }) };
  static override flags = {
    hours: Flags.string({ helpValue: '<n>', description: 'how long it is good; default 24' }),
    output: Flags.string({
      char: 'o',
      helpValue: '<path>',
      description: 'file to write; default: NODE.invitation.json',
    }),
    print: Flags.boolean({ description: 'print one line to paste instead of writing a file' }),
    'orchestrator-url': Flags.string({
      helpValue: '<url>',
      description: 'address at which the node reaches the control plane',
    }),
    address: Flags.string({
      helpValue: '<ip>',
      description: 'address in the mesh; default: its own, or the next',
    }),
    mesh: Flags.boolean({
      allowNo: true,
      default: true,
      description: 'with a tunnel, where the farm has a mesh',
    }),
    yes: Flags.boolean({ char: 'y', description: 'do not ask' }),
  };

  async run(): Promise<{ invitation: Invitation; file: string | null }> {
    const { args, flags } = await this.parse(NodeInvite);
    const file = flags.print ? null : (flags.output ?? invitationFile(args.node));
    if (file !== null) checkInvitationFile(file, args.node);
    const node = await this.api.getNode(args.node);
    if (node.status !== 'pending' && node.status !== 'offline') {
      const effect = flags.mesh
        ? 'a tunnel of it is cut until it uses the invitation, its secret dies then'
        : 'its secret dies when the invitation is used';
      await confirm(`${node.id} is ${node.status}: ${effect}. Invite it anew?`, flags.yes);
    }
    const invitation = await this.api.inviteNode(args.node, inviteRequest(flags));
    if (file === null) this.print(invitationLine(invitation));
    else {
      writeInvitation(file, invitation);
      this.print(file);
    }
    const warning = loopbackWarning(invitation.url);
    if (warning !== null) this.note(paint('warning', warning, process.stderr));
    for (const note of inviteNotes(invitation, file)) this.note(note);
    return { invitation, file };
  }
}
