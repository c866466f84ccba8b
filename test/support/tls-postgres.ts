import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { loopbackCertificate } from './loopback-certificate.js';

/** The code of SSLRequest. https://www.postgresql.org/docs/current/protocol-message-formats.html */
const SSL_REQUEST = 80877103;

/** A way to a PostgreSQL without TLS that takes nobody in without it, under a certificate of its own. */
export class TlsPostgres {
  /** PEM. */
  readonly certificate: string;
  /** How many connections were encrypted. */
  encrypted = 0;
  private readonly server: Server;
  private readonly key: string;

  private constructor(private readonly target: URL) {
    const { key, cert } = loopbackCertificate();
    this.key = key;
    this.certificate = cert;
    this.server = createServer((near) => this.take(near));
  }

  static async before(url: string): Promise<TlsPostgres> {
    const proxy = new TlsPostgres(new URL(url));
    proxy.server.listen(0, '127.0.0.1');
    await once(proxy.server, 'listening');
    return proxy;
  }

  get url(): string {
    const url = new URL(this.target);
    url.port = String((this.server.address() as AddressInfo).port);
    return url.href;
  }

  close(): void {
    this.server.close();
  }

  private take(near: Socket): void {
    near.on('error', () => near.destroy());
    near.once('data', (opening) => {
      if (opening.readInt32BE(4) !== SSL_REQUEST) {
        near.end(refusal());
        return;
      }
      near.pause();
      near.write('S');
      this.encrypted++;
      const secure = new TLSSocket(near, { isServer: true, key: this.key, cert: this.certificate });
      const far = connect(Number(this.target.port), this.target.hostname);
      secure.on('error', () => far.destroy());
      far.on('error', () => secure.destroy());
      secure.pipe(far);
      far.pipe(secure);
    });
  }
}

/** What a server says whose pg_hba.conf has only hostssl lines. */
function refusal(): Buffer {
  const words = 'no pg_hba.conf entry for host "127.0.0.1", user "postgres", database "postgres", no encryption';
  const fields = Buffer.from(`SFATAL\0C28000\0M${words}\0\0`);
  const head = Buffer.from('E\0\0\0\0');
  head.writeInt32BE(fields.length + 4, 1);
  return Buffer.concat([head, fields]);
}
