import { Injectable } from '@nestjs/common';
import type { ProblemTable, Words } from '../common/delivery-problem.js';
import type { Language } from '../common/language.js';

/** What the program itself finds, before any network is asked. */
const OWN_PROBLEMS = {
  unknown_chat: {
    kind: 'refused',
    scope: 'message',
    reason: {
      en: 'no bot of this application knows this client (any more); ask the client to write again',
      ru: 'ни один бот приложения не знает этого клиента (или уже не знает); попросите клиента написать снова',
    },
  },
  ambiguous_chat: {
    kind: 'refused',
    scope: 'message',
    reason: {
      en: 'several bots know this client, and none of them serves this open line any more; answer in the client’s newest dialog',
      ru: 'этого клиента знают несколько ботов, и ни один из них больше не обслуживает эту линию; ответьте в последнем диалоге с клиентом',
    },
  },
  bot_removed_here: {
    kind: 'refused',
    scope: 'message',
    reason: {
      en: 'the bot was removed, with what still waited for it',
      ru: 'бот удалён вместе со всем, что ещё ждало отправки',
    },
  },
} as const satisfies ProblemTable;

/** Where the room of each network hands in its table, so that the other one can say what went wrong. */
@Injectable()
export class DeliveryProblems {
  private readonly reasons = new Map<string, Words>();

  constructor() {
    this.register(OWN_PROBLEMS);
  }

  /** Throws when two tables have words for the same code: each reason has one home. */
  register(table: ProblemTable): void {
    for (const [code, { reason }] of Object.entries(table)) {
      if (!reason) continue;
      if (this.reasons.has(code)) throw new Error(`Two tables have words for the problem ${code}`);
      this.reasons.set(code, reason);
    }
  }

  /** The reason in words of ours; undefined when no table has any. */
  reason(code: string, language: Language): string | undefined {
    return this.reasons.get(code)?.[language];
  }
}
