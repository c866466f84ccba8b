import { isIPv6 } from 'node:net';
import { refuseOver } from './too-many-requests.js';
import { TokenBuckets } from './token-bucket.js';

/** Guessing a key at one try a second leads nowhere. */
const OF_CLIENT = { perSecond: 1, burst: 20 };
/** A proxy speaks for many clients; whoever makes addresses up in X-Forwarded-For comes from one peer all the same. */
const OF_PEER = { perSecond: 10, burst: 200 };

/** Where a request comes from: what a trusted proxy says, and who is connected. */
interface Origin {
  ip: string;
  socket: { remoteAddress?: string };
}

/**
 * Counts keys that open nothing. Only they are counted and only they are refused: whoever has the right key is let in,
 * whatever others did from the same address.
 */
export class WrongKeys {
  private readonly clients = new TokenBuckets(OF_CLIENT.perSecond, OF_CLIENT.burst);
  private readonly peers = new TokenBuckets(OF_PEER.perSecond, OF_PEER.burst);

  /** Throws a 429 problem after 20 from one client, or 200 through one peer, that came faster than 1 or 10 a second. */
  count({ ip, socket }: Origin): void {
    refuseOver(this.clients.take(networkOf(ip)), this.peers.take(networkOf(socket.remoteAddress ?? '')));
  }
}

/** Whoever has one IPv6 address has its whole /64 (RFC 4291, 2.5.4): that counts as one. */
export function networkOf(address: string): string {
  const [plain = ''] = address.split('%');
  if (!isIPv6(plain)) return plain;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(plain);
  if (mapped) return mapped[1]!;
  // The URL parser writes every address in one way.
  const [head = '', tail] = new URL(`http://[${plain}]`).hostname.slice(1, -1).split('::');
  const groups = (part: string) => part.split(':').filter((group) => group !== '');
  const [left, right] = [groups(head), groups(tail ?? '')];
  const zeros = Array<string>(8 - left.length - right.length).fill('0');
  return `${[...left, ...zeros, ...right].slice(0, 4).join(':')}::/64`;
}
