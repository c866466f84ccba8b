import { Body, Get, Headers, Param, Patch } from '@nestjs/common';
import { ApiOperation, ApiParam } from '@nestjs/swagger';
import { languageOf } from '../../common/language.js';
import { FeatureBody, featureItem, FeatureItem, FeatureList, settingsOf } from '../../crm/features/features.dto.js';
import { PortalFeatures } from '../../crm/features/portal-features.service.js';
import { knownFeature } from '../../crm/features/settings-features.controller.js';
import { PortalsRepository } from '../../storage/accounts/portals.repository.js';
import { FEATURES } from '../../storage/crm/portal-features.repository.js';
import { AdminController } from '../access/admin.decorator.js';
import { Audited } from '../access/audit.interceptor.js';
import { CalledBy, canAccess, Requires, type Caller } from '../access/caller.js';
import { IdPipe, notFound } from '../id.pipe.js';

/** What a portal has beside the connector: robots, senders of messages, triggers. */
@AdminController('portals/:id/features')
export class FeaturesController {
  constructor(
    private readonly features: PortalFeatures,
    private readonly portals: PortalsRepository,
  ) {}

  @Get()
  @ApiOperation({ summary: 'What the portal may have beside the connector, and what it lacks for it' })
  async list(
    @Param('id', IdPipe) id: bigint,
    @Headers('accept-language') reader: string | undefined,
    @CalledBy() caller: Caller,
  ): Promise<FeatureList> {
    const language = languageOf(reader);
    await this.assertThere(id, caller);
    const shown = await this.features.show(id);
    return { items: shown.map((feature) => featureItem(this.features, feature, language)) };
  }

  @Patch(':feature')
  @Requires('operator')
  @Audited('portal.feature')
  @ApiParam({ name: 'feature', enum: FEATURES })
  @ApiOperation({ summary: 'Have it, or not; answers what came of it' })
  async choose(
    @Param('id', IdPipe) id: bigint,
    @Param('feature') name: string,
    @Body() body: FeatureBody,
    @Headers('accept-language') reader: string | undefined,
    @CalledBy() caller: Caller,
  ): Promise<FeatureItem> {
    const feature = knownFeature(name);
    await this.assertThere(id, caller);
    const settings = settingsOf(feature, body);
    return featureItem(
      this.features,
      await this.features.choose(id, feature, body.wanted, settings),
      languageOf(reader),
    );
  }

  private async assertThere(id: bigint, caller: Caller): Promise<void> {
    if (!canAccess(caller, id) || !(await this.portals.findById(id))) throw notFound('No portal', id);
  }
}
