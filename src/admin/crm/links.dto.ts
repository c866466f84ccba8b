import { LinkItem } from '../../crm/links/links.dto.js';
import { PageOf } from '../page.dto.js';

export class LinkPage extends PageOf(LinkItem) {}
