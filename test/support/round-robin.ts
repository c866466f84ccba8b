import { once } from 'node:events';
import { createServer, request, type IncomingMessage, type Server, type ServerResponse } from 'node:http';

/** The load balancer before several programs: every request goes to the next of them, whoever sent it. */
export class RoundRobin {
  private turn = 0;

  private constructor(
    private readonly server: Server,
    private readonly ports: number[],
  ) {
    server.on('request', (asked: IncomingMessage, answer: ServerResponse) => this.pass(asked, answer));
  }

  /** Listens on this port of loopback, before programs on the others. */
  static async open(port: number, ports: number[]): Promise<RoundRobin> {
    const server = createServer().listen(port, '127.0.0.1');
    await once(server, 'listening');
    return new RoundRobin(server, ports);
  }

  async close(): Promise<void> {
    const closed = once(this.server, 'close');
    this.server.close();
    this.server.closeAllConnections();
    await closed;
  }

  private pass(asked: IncomingMessage, answer: ServerResponse): void {
    const port = this.ports[this.turn++ % this.ports.length]!;
    const { method, url: path, headers } = asked;
    const onward = request({ host: '127.0.0.1', port, method, path, headers, agent: false }, (answered) => {
      answer.writeHead(answered.statusCode!, answered.headers);
      answered.pipe(answer);
      answered.on('error', () => answer.destroy());
    });
    // Either side that breaks off breaks the other off: nobody may take half of it for the whole.
    onward.on('error', () => answer.destroy());
    answer.on('close', () => onward.destroy());
    asked.pipe(onward);
  }
}
