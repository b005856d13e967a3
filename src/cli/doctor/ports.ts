/** Ports of this machine: who has them. */
import { createSocket } from 'node:dgram';
import { connect } from 'node:net';

const CONNECT_MS = 2000;

/** Something accepts connections there. */
export function isListening(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: CONNECT_MS });
    const end = (isOpen: boolean) => () => {
      socket.destroy();
      resolve(isOpen);
    };
    socket.once('connect', end(true)).once('error', end(false)).once('timeout', end(false));
  });
}

/** A program of this machine has this UDP port. */
export function isUdpTaken(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createSocket('udp4');
    const end = (isTaken: boolean): void => {
      socket.close();
      resolve(isTaken);
    };
    socket.once('error', ({ code }: NodeJS.ErrnoException) => end(code === 'EADDRINUSE'));
    socket.bind(port, () => end(false));
  });
}

/** What to type to see the program that has a TCP port. */
export function whoHas(port: number, platform: NodeJS.Platform = process.platform): string {
  switch (platform) {
    case 'win32':
      return `netstat -ano | findstr :${port}`;
    case 'darwin':
      return `sudo lsof -nP -iTCP:${port} -sTCP:LISTEN`;
    default:
      return `sudo ss -ltnp 'sport = :${port}'`;
  }
}
