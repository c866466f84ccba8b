import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Conditions, NetworkCommands } from './networks.process.js';

type Method<Name extends keyof NetworkCommands> = Extract<NetworkCommands[Name], (...args: never[]) => unknown>;

/** Telegram and Bitrix24 in a process of their own, so that their work is not counted as the program's. */
export class Networks {
  private readonly calls = new Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }>();
  private lastId = 0;

  private constructor(private readonly child: ChildProcess) {
    child.on('message', ({ id, result, error }: { id: number; result?: unknown; error?: string }) => {
      const call = this.calls.get(id);
      this.calls.delete(id);
      if (error === undefined) call?.resolve(result as never);
      else call?.reject(new Error(error));
    });
    child.on('exit', () => {
      for (const { reject } of this.calls.values()) reject(new Error('The process of the networks ended'));
      this.calls.clear();
    });
  }

  /** @param programUrl where the program will listen */
  static async start(programUrl: string, conditions: Conditions): Promise<Networks> {
    const networks = new Networks(fork(fileURLToPath(new URL('networks.process.ts', import.meta.url))));
    await networks.send('start', [programUrl, conditions]);
    return networks;
  }

  /** Runs one of the commands of networks.process.ts there. */
  call<Name extends keyof NetworkCommands>(
    name: Name,
    ...args: Parameters<Method<Name>>
  ): Promise<Awaited<ReturnType<Method<Name>>>> {
    return this.send(name, args);
  }

  stop(): void {
    this.child.disconnect();
  }

  private send<Result>(name: string, args: unknown[]): Promise<Result> {
    const id = ++this.lastId;
    return new Promise((resolve, reject) => {
      this.calls.set(id, { resolve, reject });
      this.child.send({ id, name, args });
    });
  }
}
