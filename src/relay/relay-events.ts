import { EventEmitter } from 'node:events';
import { Injectable } from '@nestjs/common';
import type { Direction } from './message.js';

interface Events {
  /** New messages were committed. */
  accepted: [{ direction: Direction; count: number; duplicates: number }];
  /** Polled updates could not be committed: Telegram keeps them. */
  refused: [];
  /** A send came to its end; that is not committed yet, see `recorded`. */
  settled: [{ network: 'telegram' | 'bitrix24'; kind: string; outcome: string; ms: number }];
  /** Outcomes of sends of these endpoints were committed (a hint, as for `work`). */
  recorded: [string[]];
  /** Answers reached clients, and portals have to be told (a hint, as for `work`). */
  reports: [];
  /** A bot that somebody made waits to be connected, or to have its token asked for (a hint, as for `work`). */
  managedBots: [];
  /** These endpoints have new work (a hint: polling the tables finds it anyway). */
  work: [string[]];
  /** Something about this endpoint changed (reinstalled, moved to another line, another mode): read it again. */
  changed: [string];
}

/** What happens in the relay, for metrics and wake-ups. Correctness never depends on a listener. */
@Injectable()
export class RelayEvents {
  private readonly emitter = new EventEmitter<Events>().setMaxListeners(0);

  on<Name extends keyof Events>(name: Name, listener: (...args: Events[Name]) => void): void {
    this.emitter.on(name, listener as never);
  }

  emit<Name extends keyof Events>(name: Name, ...args: Events[Name]): void {
    this.emitter.emit(name, ...(args as never));
  }
}
