import { Flags } from '@oclif/core';
import { BaseCommand } from '../../src/cli/base-command.ts';
import { isInteractive } from '../../src/cli/paint.ts';
import { ask } from '../../src/cli/prompt.ts';
import { isListenAddress } from '../../src/config/listen-address.ts';
import type { InitResult } from '../../src/control/init-farm.ts';
import { FlatrenderError } from '../../src/lib/errors.ts';

/** What is wrong with an answer, asked again until it is right; the settings are checked once more as a whole. */
const QUESTIONS: Readonly<Record<string, (answer: string) => string | undefined>> = {
  '--host': (answer) =>
    isListenAddress(answer) ? undefined : 'an address such as 127.0.0.1 or 10.66.0.1, without a port',
  '--port': (answer) =>
    /^\d{1,5}$/.test(answer) && Number(answer) <= 65_535 ? undefined : 'a number from 0 to 65535',
  '--public-url': (answer) =>
    answer === '' || (/^https?:/.test(answer) && URL.canParse(answer))
      ? undefined
      : 'an address such as http://10.66.0.1:8088, or nothing',
};

export default class ControlInit extends BaseCommand {
  static override summary = 'Set up the control plane on this machine';
  static override description =
    'Writes a commented flatrender.yaml, the farm secret and the database into the state directory ($FLATRENDER_HOME or ' +
    '~/.flatrender), prints the first admin token once and logs this terminal in with it. Asks on a terminal; every ' +
    'question has a flag. Run again, it changes nothing that is there.';
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --yes --host 10.66.0.1 --public-url http://10.66.0.1:8088',
    '<%= config.bin %> <%= command.id %> --mesh --yes',
    '<%= config.bin %> <%= command.id %> --yes --store postgres://flatrender@10.66.0.1/flatrender?passwordFile=/etc/flatrender/db',
    '<%= config.bin %> <%= command.id %> --yes --objects s3 --s3-endpoint http://10.66.0.1:9000 --s3-create-bucket',
    '<%= config.bin %> <%= command.id %> --new-admin-token',
  ];
  static override flags = {
    name: Flags.string({ helpValue: '<name>', description: 'name of the farm' }),
    host: Flags.string({
      helpValue: '<address>',
      description: 'address to listen on; 127.0.0.1: this machine only, 10.66.0.1: the mesh',
    }),
    port: Flags.integer({
      helpValue: '<port>',
      description: 'port to listen on; default 8088',
      min: 0,
      max: 65_535,
    }),
    'public-url': Flags.string({
      helpValue: '<url>',
      description: 'how nodes reach it; default: as they come',
    }),
    mesh: Flags.boolean({
      description:
        'for a mesh: listen on 10.66.0.1, for machines of 10.66.0.0/24 only (or as "wg init" has set it up)',
      exclusive: ['host', 'public-url'],
    }),
    store: Flags.string({
      helpValue: '<address>',
      description:
        'where jobs and nodes are kept: sqlite:PATH (default), or postgres://USER@HOST/DATABASE for one or several control ' +
        'planes; with a password better by FLATRENDER_STORE, or ?passwordFile=PATH',
    }),
    objects: Flags.option({ options: ['fs', 's3'] as const })({
      description:
        'where files are kept: fs, a directory (default), or s3, a bucket of an S3-compatible server',
    }),
    's3-endpoint': Flags.string({
      helpValue: '<url>',
      description:
        'the S3 server, e.g. http://10.66.0.1:9000; its secret key comes from FLATRENDER_S3_SECRET_KEY',
    }),
    's3-presign-endpoint': Flags.string({
      helpValue: '<url>',
      description: 'how nodes and clients reach it; default: the same',
    }),
    's3-bucket': Flags.string({ helpValue: '<name>', description: 'default flatrender' }),
    's3-region': Flags.string({ helpValue: '<name>', description: 'default us-east-1' }),
    's3-access-key': Flags.string({
      helpValue: '<key>',
      description: 'default: FLATRENDER_S3_ACCESS_KEY',
    }),
    's3-create-bucket': Flags.boolean({ description: 'make the bucket when it is not there' }),
    'new-admin-token': Flags.boolean({ description: 'make another admin token although there is one' }),
    force: Flags.boolean({
      description:
        'make a farm secret although the database has nodes of another: none of them can sign in until it is invited anew',
    }),
    yes: Flags.boolean({ char: 'y', description: 'ask nothing: defaults for what has no flag' }),
    'dry-run': Flags.boolean({ description: 'only say what would be done' }),
  };

  async run(): Promise<InitResult> {
    const { flags } = await this.parse(ControlInit);
    const [{ initFarm }, { controlHome, homePaths }, { existsSync }] = await Promise.all([
      import('../../src/control/init-farm.ts'),
      import('../../src/config/home.ts'),
      import('node:fs'),
    ]);
    const directory = controlHome();
    const hasConfig = existsSync(homePaths(directory).config);
    const mesh = flags.mesh ? await meshOf() : null;
    const asks = !flags.yes && !hasConfig && !this.jsonEnabled() && isInteractive();
    const question = async (text: string, flag: string, given: string | undefined, fallback: string) =>
      given ?? (asks ? await ask(text, flag, { default: fallback, check: QUESTIONS[flag] }) : undefined);
    const name = await question('Name of the farm', '--name', flags.name, 'farm');
    const host = await question(
      'Address to listen on (127.0.0.1: this machine only)',
      '--host',
      flags.host ?? mesh?.address,
      '127.0.0.1',
    );
    const port = await question('Port to listen on', '--port', flags.port?.toString(), '8088');
    const url = await question(
      'How nodes reach it (empty: as they come)',
      '--public-url',
      flags['public-url'] ?? (mesh ? `http://${mesh.address}:${port ?? 8088}` : undefined),
      '',
    );
    const settings = {
      'farm.name': name,
      store: flags.store,
      'gateway.host': host,
      'gateway.port': port === undefined ? undefined : Number(port),
      'gateway.publicUrl': url || undefined,
      'gateway.allow': mesh ? [mesh.network] : undefined,
      ...(await this.objectSettings(flags, asks)),
    };
    const result = await initFarm({
      directory,
      settings,
      newAdminToken: flags['new-admin-token'],
      force: flags.force,
      dryRun: flags['dry-run'],
    });
    for (const { result: done, what, path, note } of result.steps) {
      this.note(`${done} ${what}${path === null ? '' : ` ${path}`}${note ? ` (${note})` : ''}`);
    }
    if (result.token !== undefined) {
      this.note('admin token, shown this once:');
      this.print(result.token);
    }
    this.note(
      flags['dry-run']
        ? 'nothing was changed'
        : `next: flatrender control ${flags.mesh ? 'install' : 'run --daemon'}, then flatrender node add NAME`,
    );
    return result;
  }

  /** What the flags say of the object store, and what is asked for when they leave it open. */
  private async objectSettings(flags: S3Flags, asks: boolean): Promise<Record<string, unknown>> {
    const given = Object.keys(flags).find((name) => name.startsWith('s3-') && name !== 's3-create-bucket');
    if (flags.objects !== 's3') {
      if (given === undefined && !flags['s3-create-bucket']) return { 'objects.type': flags.objects };
      throw new FlatrenderError('USAGE', `--${given ?? 's3-create-bucket'} is for --objects s3`, {
        hint: 'add --objects s3',
      });
    }
    const { env } = process;
    const need = async (text: string, flag: string, value: string | undefined, secret = false) =>
      value ?? (asks ? await ask(text, flag, { secret }) : undefined);
    const inEnv = (name: string): boolean => Boolean(env[name] || env[`${name}_FILE`]);
    const endpoint = await need('Address of the S3 server', '--s3-endpoint', flags['s3-endpoint']);
    const hasKey = inEnv('FLATRENDER_S3_ACCESS_KEY');
    const hasSecret = inEnv('FLATRENDER_S3_SECRET_KEY');
    const key = flags['s3-access-key'];
    return {
      'objects.type': 's3',
      'objects.endpoint': endpoint,
      'objects.presignEndpoint': flags['s3-presign-endpoint'],
      'objects.bucket': flags['s3-bucket'],
      'objects.region': flags['s3-region'],
      'objects.accessKey': hasKey ? key : await need('Access key', '--s3-access-key', key),
      // A secret on a command line is seen by everybody on the machine.
      'objects.secretKey': hasSecret
        ? undefined
        : await need('Secret key', 'FLATRENDER_S3_SECRET_KEY', undefined, true),
      'objects.createBucket': flags['s3-create-bucket'] || undefined,
    };
  }
}

/** Flags of an S3 server. */
interface S3Flags {
  readonly objects?: string | undefined;
  readonly 's3-endpoint'?: string | undefined;
  readonly 's3-presign-endpoint'?: string | undefined;
  readonly 's3-bucket'?: string | undefined;
  readonly 's3-region'?: string | undefined;
  readonly 's3-access-key'?: string | undefined;
  readonly 's3-create-bucket': boolean;
}

/** The control plane's place in the mesh of this machine; where there is none yet, the one that "wg init" makes. */
async function meshOf(): Promise<{ address: string; network: string }> {
  const { openLocalMesh } = await import('../../src/mesh/local-mesh.ts');
  const mesh = openLocalMesh({ interface: 'wg0', directory: '/etc/wireguard' });
  return await mesh.server().catch(() => ({ address: '10.66.0.1', network: '10.66.0.0/24' }));
}
