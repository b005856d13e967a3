import { Flags } from '@oclif/core';
import { BaseCommand } from '../../src/cli/base-command.ts';
import { paint } from '../../src/cli/paint.ts';
import type { DnsRecord, NextStep } from '../../src/setup/cloudflared.ts';

interface InitResult {
  readonly files: readonly { path: string; result: 'done' | 'already' }[];
  readonly dns: readonly DnsRecord[];
  readonly next: readonly NextStep[];
  /** What nodes set to come this way; null when the tunnel leads to a machine's health endpoint. */
  readonly node: { readonly ORCHESTRATOR_URL: string } | null;
  readonly warnings: readonly string[];
  readonly dryRun: boolean;
}

export default class TunnelInit extends BaseCommand {
  static override summary = 'Write the configuration of a Cloudflare Tunnel to this machine';
  static override description =
    'Writes config.yml and a compose file for cloudflared, and tells the DNS records to create. Nodes then need neither ' +
    'WireGuard nor an open port: they reach the control plane at https://HOSTNAME. Run again, it adds hostnames and keeps ' +
    'what was written by hand. Cloudflare refuses uploads of more than 100 MB on small plans: keep files off the tunnel ' +
    'with objects.publicUrl in flatrender.yaml.';
  static override examples = [
    '<%= config.bin %> <%= command.id %> --hostname render.example.com',
    '<%= config.bin %> <%= command.id %> --hostname render.example.com --tunnel 5f1d7a2c-93b1-4a51-9c55-7a1a3cf0b6a2 -o /etc/cloudflared',
    '<%= config.bin %> <%= command.id %> --hostname render-desktop.example.com --service http://localhost:7777',
  ];
  static override flags = {
    hostname: Flags.string({
      helpValue: '<name>',
      required: true,
      description: 'public name, without scheme and port',
    }),
    service: Flags.string({
      helpValue: '<url>',
      description: 'what answers there: scheme, host, port; default: the control plane of this machine',
    }),
    'machine-hostname': Flags.string({
      helpValue: '<name>',
      multiple: true,
      description: 'another public name, for the health endpoint of this machine (http://localhost:7777)',
    }),
    route: Flags.string({
      helpValue: '<name=url>',
      multiple: true,
      description: 'further names and their services',
    }),
    tunnel: Flags.string({ helpValue: '<name|id>', default: 'flatrender', description: 'the tunnel' }),
    'credentials-file': Flags.string({
      helpValue: '<path>',
      description: 'what "cloudflared tunnel create" wrote; default: <tunnel>.json in the directory',
    }),
    output: Flags.string({
      char: 'o',
      helpValue: '<dir>',
      default: 'cloudflared',
      description: 'directory of the files',
    }),
    'dry-run': Flags.boolean({ description: 'only show the files' }),
  };

  async run(): Promise<InitResult> {
    const { flags } = await this.parse(TunnelInit);
    const [
      { planTunnel, parseRoute, tunnelWarnings, gatewayService },
      { runPlan, planText },
      { loadControlConfig },
      { controlHome },
    ] = await Promise.all([
      import('../../src/setup/cloudflared.ts'),
      import('../../src/lib/plan.ts'),
      import('../../src/config/control-config.ts'),
      import('../../src/config/home.ts'),
    ]);
    const config = loadControlConfig({ directory: controlHome() });
    const service = flags.service ?? gatewayService(config);
    const health = flags['machine-hostname'] ?? [];
    const plan = planTunnel({
      routes: [
        { hostname: flags.hostname, service },
        ...health.map((hostname) => ({ hostname, service: 'http://localhost:7777' })),
        ...(flags.route ?? []).map(parseRoute),
      ],
      tunnel: flags.tunnel,
      credentialsFile: flags['credentials-file'],
      directory: flags.output,
    });
    const dryRun = flags['dry-run'];
    if (dryRun) this.print(planText(plan.steps));
    const results = dryRun ? [] : await runPlan(plan.steps, { signal: this.signal });
    const files = results.flatMap(({ step, result }) =>
      step.kind === 'write' ? [{ path: step.path, result }] : [],
    );
    for (const { path, result } of files) this.print(`${result === 'already' ? 'already' : 'wrote'} ${path}`);
    const node = { ORCHESTRATOR_URL: `https://${flags.hostname}` };
    const isControl = !/:7777$/.test(service);
    const warnings = isControl ? tunnelWarnings(config, flags.hostname) : [];
    this.note('next:');
    for (const { command, note } of plan.next) {
      this.note(`  ${command}${note === null ? '' : paint('dim', `   # ${note}`, process.stderr)}`);
    }
    if (isControl) this.note(`nodes that come this way set ORCHESTRATOR_URL=${node.ORCHESTRATOR_URL}`);
    for (const warning of warnings) this.note(paint('warning', warning, process.stderr));
    return { files, dns: plan.dns, next: plan.next, node: isControl ? node : null, warnings, dryRun };
  }
}
