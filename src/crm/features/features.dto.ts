import { ApiProperty } from '@nestjs/swagger';
import { ArrayMaxSize, IsArray, IsBoolean, IsOptional, IsString, Length } from 'class-validator';
import type { Language } from '../../common/language.js';
import { Problem } from '../../common/problem.js';
import {
  FEATURES,
  type FeatureName,
  type FeatureSettings,
  type FeatureState,
} from '../../storage/crm/portal-features.repository.js';
import { FEATURE_NAMES, FEATURE_PURPOSES } from './feature.words.js';
import type { PortalFeatures, ShownFeature } from './portal-features.service.js';

const STATES = ['ready', 'off', 'no_scope', 'no_plan', 'no_rights', 'no_address', 'failed'] as const;

/** The portal lists each as a trigger of its own. */
const BUTTONS_AT_MOST = 30;
const BUTTON_CHARACTERS = 100;

/** Whether the portal is to have it. */
export class FeatureBody {
  @ApiProperty({ type: Boolean, example: true })
  @IsBoolean({ message: 'wanted must be true or false' })
  wanted: boolean;

  /** Of triggers alone: words of the buttons that get one of their own; not given, they stay. */
  @ApiProperty({ type: [String], required: false, maxItems: BUTTONS_AT_MOST, example: ['Yes', 'No'] })
  @IsOptional()
  @IsArray({ message: 'buttons must be a list of words' })
  @ArrayMaxSize(BUTTONS_AT_MOST, { message: `buttons must not be more than ${BUTTONS_AT_MOST}` })
  @IsString({ each: true, message: 'buttons must be texts' })
  @Length(1, BUTTON_CHARACTERS, { each: true, message: `buttons must have 1 to ${BUTTON_CHARACTERS} characters` })
  buttons?: string[];
}

/** Something that a portal may have beside the connector. */
export class FeatureItem {
  @ApiProperty({ enum: FEATURES })
  feature: FeatureName;

  /** What it is called. */
  name: string;

  /** What it is for. */
  purpose: string;
  wanted: boolean;

  /** Null: nobody has chosen it yet, or nobody has looked. */
  @ApiProperty({ enum: STATES, nullable: true })
  state: FeatureState | null;

  /** What there is, or what is missing and who can change it, in one sentence; null: nobody wants it. */
  @ApiProperty({ type: String, nullable: true })
  says: string | null;

  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  checkedAt: Date | null;

  /** Of triggers: words of the buttons that have one of their own. */
  @ApiProperty({ type: [String] })
  buttons: string[];
}

export class FeatureList {
  @ApiProperty({ type: [FeatureItem] })
  items: FeatureItem[];
}

export function featureItem(features: PortalFeatures, shown: ShownFeature, language: Language): FeatureItem {
  const { feature, wanted, state, checkedAt, record } = shown;
  const says = features.sentence(shown, language);
  return {
    feature,
    name: FEATURE_NAMES[feature][language],
    purpose: FEATURE_PURPOSES[feature][language],
    wanted,
    state,
    says,
    checkedAt,
    buttons: record?.settings.buttons ?? [],
  };
}

/** What is to be kept of a body beside whether it is wanted; undefined: nothing. Throws {@link Problem} 400. */
export function settingsOf(feature: FeatureName, { buttons }: FeatureBody): FeatureSettings | undefined {
  if (buttons === undefined) return undefined;
  if (feature !== 'triggers') {
    throw new Problem(400, 'invalid_request', 'Only triggers have buttons.', { fields: ['buttons'] });
  }
  return { buttons: [...new Set(buttons.map((button) => button.trim()).filter((button) => button !== ''))] };
}
