/** Where an installed node or control plane keeps what on a machine. */
import { posix, win32 } from 'node:path';

/** Systems that services are installed on. */
export type ServicePlatform = 'linux' | 'darwin' | 'win32';

/** The WireGuard interface of a node; the Windows tunnel service is named after it. */
export const NODE_TUNNEL = 'wg-flatrender';

export interface MachinePaths {
  /** The agent's settings. */
  readonly envFile: string;
  /** FLATRENDER_HOME of the service. */
  readonly stateDir: string;
  /** Log files; systemd keeps the log in its journal instead. */
  readonly logDir: string;
  /** The node's end of the tunnel. */
  readonly tunnelFile: string;
}

/** The system this runs on, as far as services are concerned. */
export function thisPlatform(): ServicePlatform {
  return process.platform === 'win32' || process.platform === 'darwin' ? process.platform : 'linux';
}

/**
 * The places of a system. On Windows everything is beside the executable (`programDir`); elsewhere where the system's own
 * rules want it (Filesystem Hierarchy Standard 3.0; Homebrew's prefix on macOS, where WireGuard's tools come from).
 */
export function machinePaths(
  platform: ServicePlatform,
  role: 'agent' | 'control',
  programDir: string,
): MachinePaths {
  if (platform === 'win32') {
    return {
      envFile: win32.join(programDir, 'agent.env'),
      stateDir: win32.join(programDir, 'state'),
      logDir: win32.join(programDir, 'logs'),
      tunnelFile: win32.join(programDir, `${NODE_TUNNEL}.conf`),
    };
  }
  const isMac = platform === 'darwin';
  const etc = isMac ? '/usr/local/etc' : '/etc';
  return {
    envFile: posix.join(etc, 'flatrender', 'agent.env'),
    stateDir: posix.join(isMac ? '/usr/local/var' : '/var/lib', 'flatrender', role),
    logDir: isMac ? '/usr/local/var/log/flatrender' : '/var/log/flatrender',
    tunnelFile: posix.join(etc, 'wireguard', `${NODE_TUNNEL}.conf`),
  };
}
