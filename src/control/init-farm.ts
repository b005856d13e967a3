/** What `control init` does: everything a control plane needs in its state directory, each thing once. */
import { existsSync } from 'node:fs';
import { clientFile, loadClientConfig, saveClientConfig } from '../config/client-config.ts';
import {
  type ControlConfig,
  loadControlConfig,
  renderControlConfig,
  resolveInHome,
} from '../config/control-config.ts';
import { createFarmSecret, createHome, homePaths, writePrivateFile } from '../config/home.ts';
import { type Clock, systemClock } from '../lib/clock.ts';
import { FlatrenderError } from '../lib/errors.ts';
import { openS3 } from '../objects/open-s3.ts';
import { refuseRunning } from '../store/dump.ts';
import { auditLocal } from './audit.ts';
import { makeToken } from './client-auth.ts';
import { localUrl } from './control.ts';
import { AGREED_SECRET } from './farm-identity.ts';
import { openStore, shownStore, storePlace } from './open-store.ts';

export interface InitOptions {
  readonly directory: string;
  /** Options of flatrender.yaml by dotted path; only used when the file is written now. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** Make another admin token although there are tokens already. */
  readonly newAdminToken: boolean;
  /** Make a farm secret although the database has nodes of another one. */
  readonly force?: boolean;
  /** Only say what would be done. */
  readonly dryRun: boolean;
  readonly clock?: Clock;
}

/** One thing that init looks after. */
export interface InitStep {
  readonly what:
    | 'configuration'
    | 'farm secret'
    | 'object store'
    | 'database'
    | 'admin token'
    | 'audit log'
    | 'client configuration';
  readonly path: string | null;
  readonly result: 'created' | 'already' | 'would create' | 'kept' | 'failed';
  readonly note?: string;
}

export interface InitResult {
  readonly directory: string;
  readonly url: string;
  readonly steps: readonly InitStep[];
  /** Only when one was made; it is not stored anywhere else than in client.json. */
  readonly token?: string;
}

/** Prepares a state directory. What is there already stays as it is; CONFIG_INVALID when that cannot be used. */
export async function initFarm(options: InitOptions): Promise<InitResult> {
  const { directory, dryRun, newAdminToken, clock = systemClock } = options;
  const paths = homePaths(directory);
  const made = dryRun ? 'would create' : 'created';
  const steps: InitStep[] = [];
  const hasConfig = existsSync(paths.config);
  // Before anything is written: a file with a mistyped setting would make the corrected command fail, too.
  const config = loadControlConfig({ directory, flags: hasConfig ? {} : options.settings });
  const bucket = await prepareBucket(config, options);
  const hasDatabase = await findDatabase(directory, config);
  const hasSecret = existsSync(paths.farmSecret);
  const secretNote = !hasSecret && hasDatabase ? await checkNewSecret(config, options) : undefined;
  if (!hasConfig && !dryRun) {
    createHome(directory);
    writePrivateFile(paths.config, renderControlConfig(options.settings));
  }
  const given = Object.entries(options.settings).filter(([, value]) => value !== undefined);
  steps.push({
    what: 'configuration',
    path: paths.config,
    result: hasConfig ? 'already' : made,
    ...(hasConfig && given.length > 0
      ? { note: 'the given settings were not written into it; edit the file' }
      : {}),
  });
  if (!hasSecret && !dryRun) createFarmSecret(directory);
  steps.push({
    what: 'farm secret',
    path: paths.farmSecret,
    result: hasSecret ? 'already' : made,
    ...(secretNote === undefined ? {} : { note: secretNote }),
  });

  if (bucket !== null) steps.push(bucket);

  const url = localUrl(config);
  if (dryRun) {
    const database = shownStore(config);
    return {
      directory,
      url,
      steps: [...steps, { what: 'database', path: database, result: 'would create' }],
    };
  }
  const { token, step } = await prepareStore(directory, config, { newAdminToken, clock });
  steps.push(...step);
  if (token === undefined) return { directory, url, steps };
  steps.push(rememberToken(directory, url, token));
  return { directory, url, steps, token };
}

/**
 * Refuses a new farm secret beside the nodes of another: whoever restored a backup, or lost the file, would only find out when no
 * node can sign in. CONFIG_INVALID; with `force` the database forgets the secret that its control planes agreed on. Returns
 * what is to be said of it.
 */
async function checkNewSecret(config: ControlConfig, options: InitOptions): Promise<string | undefined> {
  const { directory, dryRun, force = false, clock = systemClock } = options;
  // Opening it would bring it to the newest schema.
  if (dryRun) return 'refused where the database has nodes already';
  const store = await openStore(directory, config, clock);
  try {
    const nodes = (await store.listNodes()).length;
    const agreed = await store.getSetting(AGREED_SECRET);
    if (nodes === 0 && agreed === null) return undefined;
    const place = storePlace(config.store);
    if (!force) {
      const file = homePaths(directory).farmSecret;
      const whose =
        nodes === 0 ? 'has a farm with another secret' : nodes === 1 ? 'has a node' : `has ${nodes} nodes`;
      throw new FlatrenderError(
        'CONFIG_INVALID',
        `the database ${place} ${whose}, and there is no ${file}: none of its nodes could sign in with a new one`,
        {
          hint:
            `copy it from another control plane, the old machine or your backup: scp OTHER-MACHINE:${file} ${file}; ` +
            'where it is lost: --force makes a new one, and every node needs "flatrender node invite" then',
        },
      );
    }
    if (store.shared) refuseRunning(await store.shared.listReplicas(), place);
    await store.changeSetting(AGREED_SECRET, () => null);
    return `a new one: no node of this database (${nodes}) can sign in until it is invited anew, with flatrender node invite`;
  } finally {
    await store.close();
  }
}

/** Whether there is a database of flatrender already. Fails when a PostgreSQL one cannot be used. */
async function findDatabase(directory: string, config: ControlConfig): Promise<boolean> {
  if (config.store.startsWith('sqlite:'))
    return existsSync(resolveInHome(directory, config.store.slice('sqlite:'.length)));
  const { checkDatabase } = await import('../store/postgres/check-database.ts');
  return (await checkDatabase(config.store)).hasFarm;
}

/** Proves that the bucket can be used, and makes it where that is wanted. null: files are in a directory. */
async function prepareBucket(config: ControlConfig, options: InitOptions): Promise<InitStep | null> {
  const { type, endpoint, bucket } = config.objects;
  if (type !== 's3') return null;
  const step = { what: 'object store', path: `${endpoint}/${bucket}` } as const;
  if (options.dryRun) return { ...step, result: 'would create', note: 'not asked in a dry run' };
  const store = await openS3(config.objects, options.clock ?? systemClock);
  try {
    await store.check();
    const note = 'can be written and read';
    return { ...step, result: 'already', note: store.isLocalOnly ? `${note}; only by this machine` : note };
  } finally {
    await store.close();
  }
}

async function prepareStore(
  directory: string,
  config: ControlConfig,
  { newAdminToken, clock }: { readonly newAdminToken: boolean; readonly clock: Clock },
): Promise<{ token?: string; step: InitStep[] }> {
  let store: Awaited<ReturnType<typeof openStore>>;
  try {
    store = await openStore(directory, config, clock);
  } catch (error) {
    const isRunning = error instanceof FlatrenderError && error.code === 'ALREADY_RUNNING';
    if (!isRunning) throw error;
    if (!newAdminToken)
      return { step: [{ what: 'database', path: shownStore(config), result: 'already', note: 'in use' }] };
    throw new FlatrenderError('ALREADY_RUNNING', 'the control plane runs and has its database open', {
      cause: error,
      hint: 'run "flatrender token create NAME --role admin", or "flatrender control stop" first',
    });
  }
  let made: { token: string; step: InitStep[] } | undefined;
  try {
    const tokens = await store.listTokens();
    const database: InitStep = {
      what: 'database',
      path: shownStore(config),
      result: tokens.length > 0 ? 'already' : 'created',
    };
    if (tokens.length > 0 && !newAdminToken) {
      return {
        step: [
          database,
          { what: 'admin token', path: null, result: 'already', note: 'another one: --new-admin-token' },
        ],
      };
    }
    const { token, record } = makeToken({ name: 'admin', role: 'admin', expiresAt: null }, clock.now());
    await store.createToken(record);
    made = { token, step: [database, { what: 'admin token', path: null, result: 'created' }] };
    const { id, name, role, createdAt: at } = record;
    await auditLocal(store, { at, action: 'control init', subject: id, details: { name, role } });
  } catch (error) {
    if (made === undefined) throw error;
    made.step.push(failedStep('audit log', null, error));
  } finally {
    await store.close().catch((error: unknown) => {
      if (made === undefined) throw error;
      made.step.push(failedStep('database', shownStore(config), error));
    });
  }
  return made;
}

/** Something that went wrong when there was a token already: only its hash is stored, and it is shown once. */
function failedStep(what: InitStep['what'], path: string | null, error: unknown): InitStep {
  return { what, path, result: 'failed', note: error instanceof Error ? error.message : String(error) };
}

/** Logs this terminal in, unless it is logged in to another control plane. Never throws: the token is still to be shown. */
function rememberToken(directory: string, url: string, token: string): InitStep {
  const what = 'client configuration';
  const path = clientFile(directory);
  try {
    if (existsSync(path)) {
      const known = loadClientConfig({}, {}, directory);
      if (known.url !== url && known.token !== undefined)
        return { what, path, result: 'kept', note: `it is for ${known.url}` };
    }
    saveClientConfig({ url, token }, directory);
    return { what, path, result: 'created' };
  } catch (error) {
    const failed = failedStep(what, path, error);
    return { ...failed, note: `${failed.note}; keep the token, and log in with "flatrender login"` };
  }
}
