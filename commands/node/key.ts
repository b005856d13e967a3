import { isIPv4 } from 'node:net';
import { dirname, resolve } from 'node:path';
import { Flags } from '@oclif/core';
import { BaseCommand } from '../../src/cli/base-command.ts';
import { machinePaths, type ServicePlatform } from '../../src/config/machine-paths.ts';
import { FlatrenderError } from '../../src/lib/errors.ts';

interface Key {
  readonly publicKey: string;
  readonly file: string;
  readonly result: 'created' | 'already';
  /** undefined: not asked for. */
  readonly tunnel?: 'up' | 'already';
}

export default class NodeKey extends BaseCommand {
  static override summary = 'Show this machine’s own WireGuard public key; made once';
  static override description =
    'The manual way, without an invitation: (1) here "node key"; (2) on the control plane "wg add-peer NAME --public-key KEY" and ' +
    '"node add NAME --manual"; (3) here "node key --tunnel" with what add-peer printed; (4) agent.env with the three lines that node ' +
    'add printed; (5) "node install". The private key is written with mode 0600 and never shown.';
  static override examples = [
    'sudo <%= config.bin %> <%= command.id %>',
    'sudo <%= config.bin %> <%= command.id %> --tunnel --endpoint farm.example.com:51820 --server-key Hk3…= --address 10.66.0.11',
  ];
  static override flags = {
    tunnel: Flags.boolean({
      description: 'also write wg-flatrender.conf with it and bring the tunnel up',
      dependsOn: ['endpoint', 'server-key', 'address'],
    }),
    endpoint: Flags.string({ helpValue: '<host:port>', description: 'Endpoint of the control plane' }),
    'server-key': Flags.string({ helpValue: '<key>', description: 'public key of the control plane' }),
    address: Flags.string({ helpValue: '<ip>', description: 'address of this machine in the mesh' }),
    'server-address': Flags.string({
      helpValue: '<ip>',
      default: '10.66.0.1',
      description: 'address of the control plane in the mesh',
    }),
    'agent-env': Flags.string({
      helpValue: '<path>',
      description: 'agent.env beside which the key is; default: where the service has it',
    }),
  };

  async run(): Promise<Key> {
    const { flags } = await this.parse(NodeKey);
    const [{ makeOwnKey, setUpTunnel }, { joinPaths }, { tunnelSystem }] = await Promise.all([
      import('../../src/setup/tunnel-by-hand.ts'),
      import('../../src/setup/join/this-machine.ts'),
      import('../../src/setup/tunnel-system.ts'),
    ]);
    const { platform } = process;
    const system: ServicePlatform = platform === 'win32' || platform === 'darwin' ? platform : 'linux';
    const places = machinePaths(system, 'agent', dirname(process.execPath));
    const envFile = flags['agent-env'] === undefined ? places.envFile : resolve(flags['agent-env']);
    const paths = joinPaths(system, envFile, places.stateDir);
    const tunnel = tunnelSystem(system, places.tunnelFile);
    if (system !== 'win32' && process.geteuid?.() !== 0 && (flags.tunnel || envFile === places.envFile)) {
      const hint = `sudo flatrender node key ${this.argv.join(' ')}`.trimEnd();
      throw new FlatrenderError('ELEVATION_NEEDED', 'only root may read and change this machine’s tunnel', {
        hint,
      });
    }
    const address = ipv4(flags.address, '--address');
    const serverAddress = ipv4(flags['server-address'], '--server-address') ?? '10.66.0.1';
    const options = {
      signal: this.signal,
      onStep: ({ step, result }: { step: { what: string }; result: string }) =>
        this.note(`${result}: ${step.what}`),
    };
    const { publicKey, privateKey, result } = await makeOwnKey(paths, tunnel, options);
    this.print(publicKey);
    const answer = { publicKey, file: paths.keyFile, result };
    const { endpoint, 'server-key': serverKey } = flags;
    if (!flags.tunnel || endpoint === undefined || serverKey === undefined || address === undefined) {
      this.note(`next, on the control plane: flatrender wg add-peer NAME --public-key ${publicKey}`);
      return answer;
    }
    const end = { endpoint, serverKey, serverAddress, address };
    const isNew = await setUpTunnel(tunnel, privateKey, end, options);
    this.note(
      isNew ? `the tunnel is up: ${address} to ${serverAddress}` : 'the tunnel is up like this already',
    );
    this.note(
      `next: NODE_ID, NODE_HMAC_SECRET and ORCHESTRATOR_URL in ${envFile}, then: flatrender node install`,
    );
    return { ...answer, tunnel: isNew ? 'up' : 'already' };
  }
}

function ipv4(text: string | undefined, flag: string): string | undefined {
  if (text === undefined || isIPv4(text)) return text;
  throw new FlatrenderError('USAGE', `${flag}: "${text}" is no IPv4 address`, { hint: 'such as 10.66.0.11' });
}
