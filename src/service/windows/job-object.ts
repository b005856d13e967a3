/** What this program starts ends with it, however it ends. */
import { loadKoffi } from './koffi-beside.ts';

// winnt.h: JOBOBJECT_EXTENDED_LIMIT_INFORMATION on x64, of which only LimitFlags is set.
const INFORMATION_BYTES = 144;
const LIMIT_FLAGS_AT = 16;
const EXTENDED_LIMIT_INFORMATION = 9;
const KILL_ON_JOB_CLOSE = 0x2000;

/**
 * Puts this process into a job object that Windows ends as a whole when the process is gone: nobody is left to hold its
 * handle then. Children are in it too, also those that leave Node's own job object (aerender's AfterFX). Returns false
 * when Windows does not want to.
 */
export function endChildrenWithThis(): boolean {
  const koffi = loadKoffi();
  const kernel = koffi.load('kernel32.dll');
  const createJob = kernel.func('CreateJobObjectW', 'void *', ['void *', 'str16']);
  const setInformation = kernel.func('SetInformationJobObject', 'int', ['void *', 'int', 'void *', 'uint32']);
  const assign = kernel.func('AssignProcessToJobObject', 'int', ['void *', 'void *']);
  const currentProcess = kernel.func('GetCurrentProcess', 'void *', []);
  const information = Buffer.alloc(INFORMATION_BYTES);
  information.writeUInt32LE(KILL_ON_JOB_CLOSE, LIMIT_FLAGS_AT);
  const job = createJob(null, null);
  return (
    job !== null &&
    setInformation(job, EXTENDED_LIMIT_INFORMATION, information, INFORMATION_BYTES) !== 0 &&
    assign(job, currentProcess()) !== 0
  );
}
