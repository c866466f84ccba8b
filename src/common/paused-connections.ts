import type { Socket } from 'node:net';
import type { buildConnector } from 'undici';

type Listener = (...args: unknown[]) => void;

/** How long until it is looked again whether whoever reads the body goes on. */
const LOOK_AGAIN_MS = 20;

/**
 * Makes connections by which a body may be read slowly. A reader that falls behind pauses the library's parser, and the
 * library takes it for impossible that a connection which will not be kept ends meanwhile: its assertion fails in an
 * event of the socket, where nobody can catch it, and ends the process (github.com/nodejs/undici/issues/5360; mended in
 * version 8, which needs Node.js 22). Here such an end waits for the reader, and a reset becomes an error of the body.
 */
export function pausable(connect: buildConnector.connector): buildConnector.connector {
  return (options, callback) =>
    connect(options, (...[error, socket]) => {
      if (error) return callback(error, null);
      delayEnds(socket);
      callback(null, socket);
    });
}

function delayEnds(socket: Socket): void {
  // What was sent before the end is still to be read; the library closes the socket itself.
  socket.allowHalfOpen = true;
  const on = socket.on.bind(socket) as (event: string, listener: Listener) => Socket;
  let fail: Listener | undefined;
  const guards: Record<string, (listener: Listener) => Listener> = {
    end: (listener) => {
      const ended = () => {
        if (!isPausedAt(() => listener.call(socket))) return;
        setTimeout(() => socket.destroyed || ended(), LOOK_AGAIN_MS);
      };
      return ended;
    },
    error: (listener) => {
      fail = listener;
      return (error) => {
        if (isPausedAt(() => listener.call(socket, error))) listener.call(socket, brokenOff(error));
      };
    },
    close: (listener) => () => {
      if (!isPausedAt(() => listener.call(socket))) return;
      fail?.call(socket, brokenOff(undefined));
      listener.call(socket);
    },
  };
  socket.on = ((event: string, listener: Listener) => {
    const guard = guards[event];
    // By `listener` of the guard the library finds it again when it removes its own.
    return on(event, guard ? Object.assign(guard(listener), { listener }) : listener);
  }) as typeof socket.on;
}

/** Whether the listener met a paused parser, which it finds before it has done anything. */
function isPausedAt(run: () => void): boolean {
  try {
    run();
    return false;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ERR_ASSERTION' && message.includes('this.paused')) return true;
    throw error;
  }
}

/** Under a code that does not have the library finish its parser. */
function brokenOff(cause: unknown): Error {
  return Object.assign(new Error('The connection ended before the body.', { cause }), { code: 'UND_ERR_SOCKET' });
}
