import type { Language } from '../../common/language.js';
import type { MessageLabels } from './message-labels.js';
import { ENGLISH_LABELS } from './message-labels.en.js';
import { RUSSIAN_LABELS } from './message-labels.ru.js';

export const MESSAGE_LABELS: Readonly<Record<Language, MessageLabels>> = { en: ENGLISH_LABELS, ru: RUSSIAN_LABELS };
