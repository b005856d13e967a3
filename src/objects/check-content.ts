import { FlatrenderError } from '../lib/errors.ts';
import type { PutOptions } from './object-store.ts';

/** OBJECT_CORRUPT when what arrived is not what was announced. */
export function checkContent(
  key: string,
  arrived: { readonly sizeBytes: number; readonly sha256: string },
  announced: Pick<PutOptions, 'sizeBytes' | 'sha256'>,
): void {
  if (announced.sizeBytes !== undefined && arrived.sizeBytes !== announced.sizeBytes) {
    throw new FlatrenderError(
      'OBJECT_CORRUPT',
      `${key}: ${arrived.sizeBytes} bytes arrived, ${announced.sizeBytes} were announced`,
    );
  }
  if (announced.sha256 !== undefined && arrived.sha256 !== announced.sha256) {
    throw new FlatrenderError(
      'OBJECT_CORRUPT',
      `${key}: the content has sha256 ${arrived.sha256}, not ${announced.sha256}`,
      { hint: 'the file changed or was damaged on the way; send it again' },
    );
  }
}
