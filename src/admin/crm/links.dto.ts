import { IntersectionType } from '@nestjs/swagger';
import { LinkItem } from '../../crm/links/links.dto.js';
import { ListQuery, PlaceFilter } from '../admin.dto.js';
import { PageOf } from '../page.dto.js';

export class LinkPage extends PageOf(LinkItem) {}

/** Which page of whose links. */
export class LinksQuery extends IntersectionType(ListQuery, PlaceFilter) {}
