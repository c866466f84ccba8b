import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { chown, open, stat } from 'node:fs/promises';
import path from 'node:path';
import type { PostgresBinaries } from './postgres-binaries.js';
import { ignoreMissing, type PostgresHome } from './postgres-home.js';

/** How a program ended: `code` null is a signal. */
export interface ProgramResult {
  ok: boolean;
  code: number | null;
  output: string;
}

/** Runs PostgreSQL's own programs as the account of `home`. */
export class PostgresPrograms {
  readonly logFile: string;

  constructor(
    private readonly home: PostgresHome,
    readonly binaries: PostgresBinaries,
  ) {
    this.logFile = path.join(home.folder, 'server.log');
  }

  initdb(args: string[]): Promise<ProgramResult> {
    return this.run(this.binaries.initdb, args);
  }

  /** What it and the server that it starts print goes to the log file. */
  async pgCtl(args: string[]): Promise<ProgramResult> {
    const log = openSync(this.logFile, 'a', 0o600);
    try {
      const { account } = this.home;
      if (account) await chown(this.logFile, account.uid, account.gid);
      return await this.run(this.binaries.pgCtl, args, log);
    } finally {
      closeSync(log);
    }
  }

  async logSize(): Promise<number> {
    return (await stat(this.logFile).catch(ignoreMissing))?.size ?? 0;
  }

  /** What the log says behind `position`, at most 8 KiB of it. */
  async logSince(position: number): Promise<string> {
    const log = await open(this.logFile, 'r');
    try {
      const { buffer, bytesRead } = await log.read({ buffer: Buffer.alloc(8_192), position });
      return buffer.toString('utf8', 0, bytesRead);
    } finally {
      await log.close();
    }
  }

  private async run(command: string, args: string[], log?: number): Promise<ProgramResult> {
    const child = spawn(command, args, {
      ...this.home.account,
      cwd: this.home.folder,
      env: {
        PATH: process.env.PATH,
        SystemRoot: process.env.SystemRoot,
        TEMP: process.env.TEMP,
        LC_ALL: 'C',
        TZ: 'UTC',
      },
      stdio: ['ignore', log ?? 'pipe', log ?? 'pipe'],
      // A group of its own: Ctrl+C during a start or a stop must not leave it half done.
      detached: process.platform !== 'win32',
      windowsHide: true,
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (chunk: Buffer) => (output += chunk.toString()));
    return new Promise((resolve, reject) => {
      child.once('error', reject);
      // The server inherits the log and keeps it open: only the end of pg_ctl itself counts.
      child.once(log === undefined ? 'close' : 'exit', (code) => resolve({ ok: code === 0, code, output }));
    });
  }
}
