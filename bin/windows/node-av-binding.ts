/**
 * The native part of node-av in an executable: the file node-av.node beside it and no other. The package's own loader
 * would also look two directories above, where on Windows other users may put files.
 */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

// biome-ignore lint/suspicious/noExplicitAny: as in the package
export const bindings: any = createRequire(process.execPath)(join(dirname(process.execPath), 'node-av.node'));
