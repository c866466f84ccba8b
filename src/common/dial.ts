import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { connect as connectTcp, isIP, type LookupFunction, type Socket } from 'node:net';
import { connect as connectTls, type SecureContext } from 'node:tls';
import { SocksClient } from 'socks';

/** Where a connection leads, and who is believed there. */
export interface Target {
  /** Without the brackets of IPv6. */
  host: string;
  port: number;
  secure: boolean;
  /** Whose certificates are believed; without: those that Node.js knows. */
  secureContext?: SecureContext | undefined;
  /** Resolves the name where no proxy does. */
  lookup?: LookupFunction | undefined;
}

/** Connects to a target, TLS included. Rejects when the signal says so. */
export type Dial = (target: Target, signal: AbortSignal) => Promise<Socket>;

/** The SOCKS library has a limit of its own beside the signal. */
const SOCKS_MS = 30_000;

/** @param proxy URL of an HTTP or SOCKS5 proxy; null: none */
export function dialBy(proxy: URL | null): Dial {
  if (proxy === null) return direct;
  const tunnel = proxy.protocol.startsWith('socks') ? throughSocks : throughHttp;
  return async (target, signal) => secured(await tunnel(proxy, target, signal), target, signal);
}

async function direct(target: Target, signal: AbortSignal): Promise<Socket> {
  const socket = connectTcp({ host: target.host, port: target.port, lookup: target.lookup });
  return secured(await ready(socket, 'connect', signal), target, signal);
}

/** A tunnel by CONNECT (RFC 9110, 9.3.6). Any answer but 2xx is a refusal, and no answer of the far side. */
function throughHttp(proxy: URL, target: Target, signal: AbortSignal): Promise<Socket> {
  const { host, port } = target;
  const authority = `${isIP(host) === 6 ? `[${host}]` : host}:${port}`;
  const request = (proxy.protocol === 'https:' ? httpsRequest : httpRequest)({
    host: proxy.hostname.replace(/^\[|\]$/g, ''),
    port: proxy.port || (proxy.protocol === 'https:' ? 443 : 80),
    method: 'CONNECT',
    path: authority,
    agent: false,
    signal,
    headers: {
      host: authority,
      ...(proxy.username || proxy.password
        ? { 'proxy-authorization': `Basic ${Buffer.from(credentialsOf(proxy).join(':')).toString('base64')}` }
        : {}),
    },
  });
  return new Promise((resolve, reject) => {
    const refuse = (status: number | undefined) => reject(new Error(`the proxy answers ${status}`));
    request.once('connect', ({ statusCode = 0 }, socket: Socket) => {
      if (statusCode >= 200 && statusCode < 300) return resolve(socket);
      socket.destroy();
      refuse(statusCode);
    });
    request.once('response', (answer) => {
      answer.destroy();
      refuse(answer.statusCode);
    });
    request.on('error', reject);
    request.end();
  });
}

async function throughSocks(proxy: URL, target: Target, signal: AbortSignal): Promise<Socket> {
  const [userId, password] = credentialsOf(proxy);
  const connection = SocksClient.createConnection({
    proxy: {
      host: proxy.hostname.replace(/^\[|\]$/g, ''),
      port: Number(proxy.port) || 1080,
      type: 5,
      ...(userId ? { userId, password } : {}),
    },
    // The proxy resolves the name: where a network is blocked, local name servers lie as well.
    destination: { host: target.host, port: target.port },
    command: 'connect',
    timeout: SOCKS_MS,
  });
  const { socket } = await Promise.race([connection, rejection(signal)]).catch((error: unknown) => {
    void connection.then(
      (late) => late.socket.destroy(),
      () => undefined,
    );
    throw error;
  });
  return socket;
}

/** The TLS handshake belongs to the route: whoever blocks a network likes to let the connection stand and no more. */
function secured(
  socket: Socket,
  { host, secure, secureContext }: Target,
  signal: AbortSignal,
): Socket | Promise<Socket> {
  if (!secure) return socket;
  const servername = isIP(host) ? {} : { servername: host };
  return ready(
    connectTls({ ...servername, host, socket, secureContext, ALPNProtocols: ['http/1.1'] }),
    'secureConnect',
    signal,
  );
}

function ready(socket: Socket, event: 'connect' | 'secureConnect', signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const end = (error?: Error) => {
      socket.off(event, done).off('error', fail).off('close', fail);
      signal.removeEventListener('abort', abort);
      if (!error) return resolve(socket);
      // Errors that follow are of no interest.
      socket.on('error', () => undefined).destroy();
      reject(error);
    };
    const done = () => end();
    const fail = (error?: unknown) => end(error instanceof Error ? error : new Error('closed before it stood'));
    const abort = () => end(signal.reason as Error);
    socket.once(event, done).once('error', fail).once('close', fail);
    signal.addEventListener('abort', abort);
    if (signal.aborted) abort();
  });
}

function rejection(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });
}

const credentialsOf = ({ username, password }: URL) => [decodeURIComponent(username), decodeURIComponent(password)];
