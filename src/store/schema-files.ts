/** The schemas of a database, as files of SQL one after the other, and what is said of one that is not among them. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { FlatrenderError } from '../lib/errors.ts';
import { packageRoot } from '../lib/paths.ts';

export interface SchemaFile {
  /** From 1, without holes. */
  readonly version: number;
  readonly sql: () => string;
}

/** In order; the last one's version is what this program knows. */
export function schemaFiles(kind: 'sqlite' | 'postgres'): readonly SchemaFile[] {
  const directory = join(packageRoot(), 'src', 'store', kind, 'migrations');
  return readdirSync(directory)
    .filter((name) => /^\d{4}_.*\.sql$/.test(name))
    .sort()
    .map((name) => ({
      version: Number.parseInt(name, 10),
      sql: () => readFileSync(join(directory, name), 'utf8'),
    }));
}

/** SCHEMA_NEWER: the database was written by a later version of this program. */
export function schemaNewer(place: string, version: number, known: number): FlatrenderError {
  return new FlatrenderError(
    'SCHEMA_NEWER',
    `the database ${place} has schema ${version}; this flatrender knows up to ${known}`,
    { hint: 'update flatrender, or restore the backup from before the update' },
  );
}
