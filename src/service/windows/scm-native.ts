/** The service control manager's functions, called through koffi. */
import { FlatrenderError } from '../../lib/errors.ts';
import { type Koffi, loadKoffi } from './koffi-beside.ts';
import type { ServiceManager, ServiceState, ServiceStatus, StopReason } from './scm.ts';

// winsvc.h and winerror.h
const OWN_PROCESS = 0x10;
const STATES: Readonly<Record<ServiceState, number>> = {
  stopped: 1,
  'start-pending': 2,
  'stop-pending': 3,
  running: 4,
};
const ACCEPT_STOP = 0x1;
const ACCEPT_SHUTDOWN = 0x4;
const ACCEPT_PRESHUTDOWN = 0x100;
const CONTROL_STOP = 1;
const CONTROL_INTERROGATE = 4;
const CONTROL_SHUTDOWN = 5;
const CONTROL_PRESHUTDOWN = 0xf;
const NO_ERROR = 0;
const ERROR_CALL_NOT_IMPLEMENTED = 120;
const ERROR_SERVICE_SPECIFIC_ERROR = 1066;
const STILL_ACTIVE = 259;
const EVENTLOG_ERROR_TYPE = 1;

/** How often is looked whether the dispatcher gave up; it does so once, in the first seconds, or not at all. */
const LOOK_MS = 200;

/**
 * The SCM of this machine for this process; at most one a process. Windows ignores the name when a process is one service
 * only, but wants one.
 */
export function windowsServiceManager(name: string): ServiceManager {
  const koffi = loadKoffi();
  const advapi = koffi.load('advapi32.dll');
  const statusType = koffi.struct('SERVICE_STATUS', {
    dwServiceType: 'uint32',
    dwCurrentState: 'uint32',
    dwControlsAccepted: 'uint32',
    dwWin32ExitCode: 'uint32',
    dwServiceSpecificExitCode: 'uint32',
    dwCheckPoint: 'uint32',
    dwWaitHint: 'uint32',
  });
  const mainType = koffi.proto('void __stdcall ServiceMainW(uint32 argc, void *argv)');
  const handlerType = koffi.proto(
    'uint32 __stdcall HandlerEx(uint32 control, uint32 type, void *data, void *context)',
  );
  const registerHandler = advapi.func('RegisterServiceCtrlHandlerExW', 'void *', [
    'str16',
    koffi.pointer(handlerType),
    'void *',
  ]);
  const setStatus = advapi.func('SetServiceStatus', 'int', ['void *', koffi.pointer(statusType)]);
  let handle: unknown = null;

  return {
    connect(onStop) {
      const handler = koffi.register(
        (control: number) => answer(control, onStop),
        koffi.pointer(handlerType),
      );
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      // Called in a thread of the SCM's, which koffi hands over to this one. It may return while the service works.
      const main = koffi.register(() => {
        handle = registerHandler(name, handler, null);
        if (handle === null)
          reject(new FlatrenderError('SERVICE_FAILED', 'Windows registers no service handler'));
        else resolve();
      }, koffi.pointer(mainType));
      const cancel = dispatch(koffi, name, main, () => reject(notAService()));
      return promise.finally(cancel);
    },
    report(status) {
      setStatus(handle, record(status));
    },
    tellFailure: (message) => writeEvent(koffi, name, message),
  };
}

/**
 * Without a file of messages of its own the event viewer says that it knows no description, and shows the text below that
 * (ReportEventW, "remarks").
 */
function writeEvent(koffi: Koffi, source: string, message: string): void {
  const advapi = koffi.load('advapi32.dll');
  const register = advapi.func('RegisterEventSourceW', 'void *', ['str16', 'str16']);
  const texts = koffi.pointer('str16');
  const reportEvent = advapi.func('ReportEventW', 'int', [
    ...['void *', 'uint16', 'uint16', 'uint32', 'void *', 'uint16', 'uint32'],
    texts,
    'void *',
  ]);
  const log = register(null, source);
  if (log !== null) reportEvent(log, EVENTLOG_ERROR_TYPE, 0, 1, null, 1, 0, [message], null);
}

function answer(control: number, onStop: (reason: StopReason) => void): number {
  switch (control) {
    case CONTROL_STOP:
      onStop('stop');
      return NO_ERROR;
    case CONTROL_SHUTDOWN:
    case CONTROL_PRESHUTDOWN:
      onStop('shutdown');
      return NO_ERROR;
    case CONTROL_INTERROGATE:
      return NO_ERROR;
    default:
      return ERROR_CALL_NOT_IMPLEMENTED;
  }
}

/** The struct SERVICE_STATUS. Nothing is accepted while a start or stop is pending: it could not be obeyed. */
function record({ state, checkPoint, waitHintMs, exitCode }: ServiceStatus): Record<string, number> {
  return {
    dwServiceType: OWN_PROCESS,
    dwCurrentState: STATES[state],
    dwControlsAccepted: state === 'running' ? ACCEPT_STOP | ACCEPT_SHUTDOWN | ACCEPT_PRESHUTDOWN : 0,
    dwWin32ExitCode: exitCode === 0 ? NO_ERROR : ERROR_SERVICE_SPECIFIC_ERROR,
    dwServiceSpecificExitCode: exitCode,
    dwCheckPoint: checkPoint,
    dwWaitHint: waitHintMs,
  };
}

/**
 * Runs StartServiceCtrlDispatcherW, which returns only when the service has stopped or when there is no SCM to talk to.
 * In a plain thread of Windows, whose start function has the same shape on x64: called with koffi's `async` it would hold
 * a thread of libuv's pool, which Node joins when the process is to end (seen with koffi 3.3 and Node 26).
 */
function dispatch(koffi: Koffi, name: string, main: bigint, onFailure: () => void): () => void {
  const kernel = koffi.load('kernel32.dll');
  const getModule = kernel.func('GetModuleHandleW', 'void *', ['str16']);
  const getAddress = kernel.func('GetProcAddress', 'void *', ['void *', 'str']);
  const createThread = kernel.func('CreateThread', 'void *', [
    'void *',
    'size_t',
    'void *',
    'void *',
    'uint32',
    'void *',
  ]);
  const getExitCode = kernel.func('GetExitCodeThread', 'int', ['void *', koffi.out(koffi.pointer('uint32'))]);
  const entryType = koffi.struct('SERVICE_TABLE_ENTRYW', { lpServiceName: 'str16', lpServiceProc: 'void *' });
  const table = koffi.alloc(entryType, 2);
  koffi.encode(table, koffi.array(entryType, 2), [
    { lpServiceName: name, lpServiceProc: main },
    { lpServiceName: null, lpServiceProc: null },
  ]);
  const dispatcher = getAddress(getModule('advapi32.dll'), 'StartServiceCtrlDispatcherW');
  const thread = createThread(null, 0, dispatcher, table, 0, null);
  const exitCode = [STILL_ACTIVE];
  const timer = setInterval(() => {
    getExitCode(thread, exitCode);
    if (exitCode[0] !== STILL_ACTIVE) onFailure();
  }, LOOK_MS);
  return () => clearInterval(timer);
}

function notAService(): FlatrenderError {
  return new FlatrenderError('SERVICE_UNSUPPORTED', '--service is for Windows, which starts the service', {
    hint: 'in a terminal run "flatrender agent run"; "flatrender node install" makes the service',
  });
}
