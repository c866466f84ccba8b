import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** Whether the program `nginx` can be run (Debian and Homebrew: package nginx). */
export function hasNginx(): boolean {
  return spawnSync('nginx', ['-v'], { stdio: 'ignore' }).status === 0;
}

/** nginx before several programs, with kept connections to them, as docs/operations.md has it. */
export class Nginx {
  private constructor(private readonly end: () => Promise<void>) {}

  /** Listens on this port of loopback, before programs on the others. */
  static async before(port: number, ports: number[]): Promise<Nginx> {
    const folder = await mkdtemp(path.join(tmpdir(), 'nginx-'));
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((use) => `${use}_temp_path ${use};`);
    const configuration = `
${process.getuid?.() === 0 ? 'user root;' : ''}
daemon off; pid nginx.pid; error_log stderr crit; worker_processes 1;
events {}
http {
  access_log off; ${temporary.join(' ')}
  upstream bridge { ${ports.map((each) => `server 127.0.0.1:${each} max_fails=0;`).join(' ')} keepalive 16; }
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://bridge;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    }
  }
}`;
    await writeFile(path.join(folder, 'nginx.conf'), configuration);
    const child = spawn('nginx', ['-p', folder, '-c', 'nginx.conf'], { stdio: 'ignore' });
    const nginx = new Nginx(async () => {
      if (child.exitCode === null && child.signalCode === null) {
        const exited = once(child, 'exit');
        child.kill('SIGTERM');
        await exited;
      }
      await rm(folder, { recursive: true, force: true });
    });
    for (let tries = 100; !(await answers(port)); tries--) {
      if (tries === 0 || child.exitCode !== null) {
        await nginx.stop();
        throw new Error(`nginx does not start with\n${configuration}`);
      }
      await sleep(50);
    }
    return nginx;
  }

  stop(): Promise<void> {
    return this.end();
  }
}

async function answers(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
