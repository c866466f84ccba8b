import { Injectable } from '@nestjs/common';
import { ApplicationsService } from '../../bitrix/applications.service.js';
import { Problem } from '../../common/problem.js';
import { Environment } from '../../config/environment.js';
import type { PortalRecord } from '../../storage/accounts/portals.repository.js';
import { type Frame, parseFrame } from './frame.parser.js';
import type { Installed } from './install.service.js';
import { type FramePage, newNonce } from './page-reply.js';
import { installPage } from './install.page.js';
import { languageOf, type Language } from '../../common/language.js';
import { problemPage } from '../pages/problem.page.js';
import type { RegistrationReport } from './registration-steps.js';

/** Shown for a registration that takes longer than anybody waits for a page. */
const STILL_RUNNING: RegistrationReport = {
  ok: false,
  steps: [
    {
      step: 'imconnector.register',
      ok: false,
      detail: 'Bitrix24 answers slowly. The registration goes on; open this page again in a minute to see its result.',
    },
  ],
};

/** The steps of an installation; those of one that still runs say so. */
export function reportOf({ report }: Installed): RegistrationReport {
  return report ?? STILL_RUNNING;
}

/** What pages in Bitrix24's frames have in common: reading the form, and failing in a readable way. */
@Injectable()
export class FramesService {
  constructor(
    private readonly environment: Environment,
    private readonly applications: ApplicationsService,
  ) {}

  /** Answers `work`'s page; a {@link Problem} becomes a page that says what to do, in the frame's language. */
  async answer(
    query: unknown,
    body: unknown,
    work: (frame: Frame, lang: Language) => Promise<FramePage>,
  ): Promise<FramePage> {
    const frame = parseFrame(query, body);
    const lang = languageOf(frame?.language ?? (query as { LANG?: unknown } | undefined)?.LANG);
    try {
      if (frame) return await work(frame, lang);
      throw new Problem(400, 'frame_malformed', 'The form has no AUTH_ID: open the application inside the portal.');
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      return {
        status: error.getStatus(),
        html: problemPage(lang, error),
        frameAncestor: await this.claimedPortal(query, frame),
      };
    }
  }

  /** The steps of an installation; with `finish` the page tells the portal that the installation is over. */
  installed(installed: Installed, lang: Language, { finish }: { finish: boolean }): FramePage {
    const { portal } = installed;
    const nonce = newNonce();
    const html = installPage({
      lang,
      connectorName: this.environment.B24_CONNECTOR_NAME,
      portal: portal.domain,
      report: reportOf(installed),
      ...(finish && { finish: { library: this.library(portal), nonce } }),
    });
    return { status: 200, html, frameAncestor: new URL(portal.clientEndpoint).origin, ...(finish && { nonce }) };
  }

  /** Address of the BX24 library for a page of this portal: a box under test serves its own. */
  private library({ clientEndpoint }: PortalRecord): string {
    const { origin, protocol } = new URL(clientEndpoint);
    const local = this.environment.oauthOrigin !== undefined && protocol === 'http:';
    return local ? `${origin}/api/v1/` : '//api.bitrix24.com/api/v1/';
  }

  /** An error page says nothing secret: the portal that the frame claims to be on may show it, if it is one. */
  private async claimedPortal(query: unknown, frame: Frame | null): Promise<string | undefined> {
    const protocol = (query as { PROTOCOL?: unknown } | undefined)?.PROTOCOL === '0' ? 'http' : 'https';
    const address = `${protocol}://${frame?.domain ?? ''}`;
    if (!frame?.domain || !URL.canParse(address)) return undefined;
    const url = new URL(address);
    return (await this.applications.mayBePortal(url)) ? url.origin : undefined;
  }
}
