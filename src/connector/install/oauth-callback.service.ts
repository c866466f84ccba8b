import { Injectable } from '@nestjs/common';
import { Problem } from '../../common/problem.js';
import { FramesService, reportOf } from './frames.service.js';
import type { FramePage } from './page-reply.js';
import { AuthorisationService } from './authorisation.service.js';
import type { Installed } from './install.service.js';
import { languageOf } from '../../common/language.js';
import { problemPage } from '../pages/problem.page.js';
import { say } from '../pages/texts.js';
import type { RegistrationReport } from './registration-steps.js';

/** What `GET /b24/oauth/callback` answers to a program. */
export interface ConnectedPortal extends RegistrationReport {
  portal: { id: string; domain: string; memberId: string };
}

/** Reads what the browser brings back from Bitrix24's consent page and answers it as JSON or as a page. */
@Injectable()
export class OauthCallbackService {
  constructor(
    private readonly authorisation: AuthorisationService,
    private readonly frames: FramesService,
  ) {}

  async finish(query: Record<string, unknown>): Promise<ConnectedPortal> {
    const installed = await this.install(query);
    const { id, domain, memberId } = installed.portal;
    return { portal: { id: id.toString(), domain, memberId }, ...reportOf(installed) };
  }

  /** Never throws a {@link Problem}: it becomes a page. */
  async page(query: Record<string, unknown>, languages: string | undefined): Promise<FramePage> {
    const lang = languageOf(languages);
    try {
      const { html, status } = this.frames.installed(await this.install(query), lang, { finish: false });
      return { html, status };
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      return { html: problemPage(lang, error, say(lang, 'oauthErrorTitle')), status: error.getStatus() };
    }
  }

  private async install(query: Record<string, unknown>): Promise<Installed> {
    const { code, state, error } = query;
    if (typeof error === 'string' && error !== '') {
      const named = error.slice(0, 100);
      throw new Problem(400, 'oauth_error', `Bitrix24 answered with the error ${named}: start again at /b24/install.`, {
        error: named,
      });
    }
    if (typeof code !== 'string' || typeof state !== 'string' || code === '' || state === '') {
      throw new Problem(400, 'callback_malformed', 'Bitrix24 has to send `code` and `state`: start at /b24/install.');
    }
    return this.authorisation.finish({
      code,
      state,
      serverDomain: text(query.server_domain),
      portalDomain: text(query.domain),
    });
  }
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
