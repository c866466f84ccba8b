import type { AccessKeysRepository, KeyHolder } from '../../storage/accounts/access-keys.repository.js';

/** Hashes of one statement. */
const AT_ONCE = 500;

interface Lookup {
  hash: Buffer;
  resolve: (holder: KeyHolder | null) => void;
  reject: (reason: unknown) => void;
}

/**
 * Looks keys up by their hashes. Those that come while a lookup runs share the next one: however many wrong keys are
 * tried, they keep one connection to the database busy, and the right ones wait for one lookup more.
 */
export class KeyLookups {
  private waiting: Lookup[] = [];
  private running = false;

  constructor(private readonly keys: Pick<AccessKeysRepository, 'holders'>) {}

  /** The holder of the key with this hash; null: there is none, or it is revoked or has expired. */
  holder(hash: Buffer): Promise<KeyHolder | null> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ hash, resolve, reject });
      if (!this.running) void this.run();
    });
  }

  private async run(): Promise<void> {
    this.running = true;
    while (this.waiting.length > 0) {
      const lookups = this.waiting.splice(0, AT_ONCE);
      try {
        const holders = await this.keys.holders(lookups.map(({ hash }) => hash));
        for (const { hash, resolve } of lookups) resolve(holders.get(hash.toString('hex')) ?? null);
      } catch (error) {
        for (const { reject } of lookups) reject(error);
      }
    }
    this.running = false;
  }
}
