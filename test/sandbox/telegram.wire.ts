import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/**
 * The line between the program and the Telegram simulator, which can be cut: while it is, open connections (a waiting
 * poll among them) end and new ones are refused, as when Telegram cannot be reached.
 */
export class TelegramWire {
  private server: Server | undefined;
  private readonly sockets = new Set<Socket>();
  private port = 0;

  private constructor(private readonly target: number) {}

  /** @param url origin of the simulator on 127.0.0.1 */
  static async connect(url: string): Promise<TelegramWire> {
    const wire = new TelegramWire(Number(new URL(url).port));
    await wire.restore();
    return wire;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async cut(): Promise<void> {
    const server = this.server;
    if (!server) return;
    this.server = undefined;
    const closed = once(server, 'close');
    server.close();
    for (const socket of this.sockets) socket.destroy();
    await closed;
  }

  async restore(): Promise<void> {
    if (this.server) return;
    this.server = createServer((socket) => this.join(socket)).listen(this.port, '127.0.0.1');
    await once(this.server, 'listening');
    this.port = (this.server.address() as AddressInfo).port;
  }

  private join(incoming: Socket): void {
    const outgoing = connect(this.target, '127.0.0.1');
    for (const [socket, other] of [
      [incoming, outgoing],
      [outgoing, incoming],
    ] as const) {
      this.sockets.add(socket);
      socket.on('close', () => {
        this.sockets.delete(socket);
        other.destroy();
      });
      // A reset is no news here: the other half ends with it.
      socket.on('error', () => socket.destroy());
      socket.pipe(other);
    }
  }
}
