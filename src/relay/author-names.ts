import { Injectable } from '@nestjs/common';
import { fullName } from '../common/full-name.js';
import { TimeLimitError, within } from '../common/within.js';
import { OperatorDirectory } from './operator-directory.js';

/** What an answer waits for names; those that come later are in the next one. Milliseconds. */
const WAIT_MS = 300;

/** Of a message, what tells who wrote it. */
interface Authored {
  direction: 'inbound' | 'outbound';
  portalId: bigint | null;
  authorId: string | null;
  authorName: string | null;
}

/** Bitrix24's events name operators by their id only: the names come from the portal, which is asked once an hour. */
@Injectable()
export class AuthorNames {
  constructor(private readonly operators: OperatorDirectory) {}

  /** The same messages, with the names that their portals have told by now. Never throws for want of one. */
  async known<Row extends Authored>(rows: Row[]): Promise<Row[]> {
    const asked = new Map<string, Promise<string | null>>();
    const nameOf = (portalId: bigint, userId: string): Promise<string | null> => {
      const key = `${portalId}:${userId}`;
      const name = asked.get(key) ?? this.ask(portalId, userId);
      asked.set(key, name);
      return name;
    };
    return Promise.all(
      rows.map(async (row) => {
        const { direction, portalId, authorId, authorName } = row;
        if (direction === 'inbound' || authorName !== null || authorId === null || portalId === null) return row;
        return { ...row, authorName: await nameOf(portalId, authorId) };
      }),
    );
  }

  private async ask(portalId: bigint, userId: string): Promise<string | null> {
    try {
      const operator = await within(WAIT_MS, this.operators.operator(portalId, userId));
      return fullName(operator?.firstName, operator?.lastName) || null;
    } catch (error) {
      if (error instanceof TimeLimitError) return null;
      throw error;
    }
  }
}
