/** Why a database cannot be used, in words, with the next thing to type. */
import { FlatrenderError } from '../../lib/errors.ts';
import type { DatabaseAddress } from './address.ts';
import { codeOf, isAway, toStoreError } from './database-error.ts';

/**
 * The failure of a connection as an error for operators; `at` is the host that was tried last. UNAVAILABLE when it may be
 * there in a moment, CONFIG_INVALID when somebody has to do something. Passwords are in none of them.
 */
export function connectFailure(error: unknown, address: DatabaseAddress, at: string): FlatrenderError {
  if (error instanceof FlatrenderError) return error;
  const { user, database, place } = address;
  const code = codeOf(error);
  const message = messageOf(error);
  const wrong = (what: string, hint: string): FlatrenderError =>
    new FlatrenderError('CONFIG_INVALID', what, { cause: error, hint });
  const away = (what: string, hint: string): FlatrenderError =>
    new FlatrenderError('UNAVAILABLE', what, { cause: error, hint, details: { retryAfterMs: 2000 } });

  if (/password must be a string|no password supplied|empty password/i.test(message)) {
    return wrong(
      `the database ${place} wants a password of ${user}, and none was given`,
      'give it in a file of its own (?passwordFile=PATH at the end of the address), in the address (postgres://USER:PASSWORD@…; ' +
        'FLATRENDER_STORE keeps that out of the command line), or as PGPASSWORD',
    );
  }
  if (code === '28P01') {
    return wrong(
      `the database ${place} refuses the password of ${user}`,
      `try it: psql "postgres://${user}@${at}/${database}"; then correct store in flatrender.yaml or FLATRENDER_STORE`,
    );
  }
  if (code === '28000' && /no encryption|SSL off/i.test(message)) {
    return wrong(
      `the database ${place} only takes encrypted connections`,
      'add ?sslmode=require to the address (verify-full with sslrootcert= also checks who it is)',
    );
  }
  if (code === '28000') {
    return wrong(
      `the database ${place} does not let ${user} in: ${message}`,
      'add a line for this user, database and network to pg_hba.conf on the server, then: select pg_reload_conf()',
    );
  }
  if (code === '3D000') {
    return wrong(
      `there is no database ${database} on ${at}`,
      `create it there: createdb --owner ${user} --template template0 --encoding UTF8 ${database}`,
    );
  }
  if (code === '42501') {
    return wrong(
      `${user} may not make tables in ${place}: ${message}`,
      `on the server: psql -c 'alter database ${database} owner to ${user}'`,
    );
  }
  if (/does not support SSL/i.test(message)) {
    return wrong(
      `the database ${place} does not offer encrypted connections`,
      'set ssl = on there, or remove sslmode from the address',
    );
  }
  if (/CERT|SELF_SIGNED|UNABLE_TO_|ERR_TLS/.test(code)) {
    return wrong(
      `the certificate of the database ${place} is not accepted: ${message}`,
      'sslrootcert= is the file of its certificate authority; sslmode=require encrypts without looking at it',
    );
  }
  if (!isAway(error)) return toStoreError(error, place);
  return away(...awayWords(code, message, place, at));
}

function awayWords(code: string, message: string, place: string, at: string): [string, string] {
  switch (code) {
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return [`the name of the database's host ${at} is not known`, `check it: getent hosts ${at}`];
    case 'ECONNREFUSED':
    case 'ENOENT':
      return [
        `nothing answers for the database at ${at}`,
        'does PostgreSQL run there, and listen on that address (listen_addresses, port)?',
      ];
    case '25006':
      return [
        `the database ${place} can only be read: ${message}`,
        'promote a standby (select pg_promote()), or name all hosts: postgres://user@a,b/database',
      ];
    case '53300':
      return [
        `the database ${place} has no connection left`,
        'raise max_connections there, or lower ?pool= in the address of each control plane',
      ];
    case '57P03':
      return [`the database ${place} is starting or stopping: ${message}`, 'wait a moment'];
    default:
      return [
        `the database ${place} cannot be reached: ${message}`,
        `try it from this machine: pg_isready -h ${at.replace(/:\d+$/, '')}`,
      ];
  }
}

function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') return messageOf(error.errors[0]);
  return error instanceof Error && error.message !== '' ? error.message : codeOf(error) || String(error);
}
