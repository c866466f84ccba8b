import { randomInt } from 'node:crypto';

/** What the CRM did when a session began: `off` means no search of the client, no lead or deal, no activity. */
export type CrmPart = 'client searched, lead made' | 'bound by the tracker' | 'off';

/** `Random::getString` without its second argument: digits and small letters (main/lib/security/random.php). */
const ALPHABET = '0123456789abcdefghijklmnopqrstuvwxyz';
const CODE_LENGTH = 10;

/**
 * The portal's own tracker of messenger links: "a client is expected who belongs to this deal"
 * (imopenlines/lib/tracker.php of github.com/yuliai/bitrix-modules).
 */
export class CrmTracker {
  private readonly expectations: { rowId: number; code: string }[] = [];

  /** A card of the CRM invites a client; returns the code that its link carries (getExpectationTrackId). */
  expectClient(): string {
    const letters = Array.from({ length: CODE_LENGTH }, () => ALPHABET[randomInt(ALPHABET.length)]);
    const code = `btrx${letters.join('')}`;
    this.expectations.push({ rowId: 41 + this.expectations.length, code });
    return code;
  }

  /**
   * A session is made. Any `ref.source` at all keeps the CRM out of it (session.php:622, `empty(CRM_TRACKER_REF)`),
   * whether or not it leads to an expectation (session.php:419, bindExpectationToChat).
   */
  sessionBegins(ref: string): { source: string | null; crm: CrmPart } {
    // PHP's empty(): the text "0" is empty, too.
    if (ref === '' || ref === '0') return { source: ref || null, crm: 'client searched, lead made' };
    return { source: ref, crm: this.isExpected(ref) ? 'bound by the tracker' : 'off' };
  }

  /**
   * findExpectationByTrackId (tracker.php:278): `TRACK_ID = x OR ID = x`. The id is a number, so that a text counts as
   * the number that it begins with; MySQL compares texts without regard to case.
   */
  private isExpected(ref: string): boolean {
    const rowId = Number.parseInt(ref, 10);
    return this.expectations.some((one) => one.code === ref.toLowerCase() || one.rowId === rowId);
  }
}
