BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0005');
CREATE TABLE assignments (
	image_id INTEGER NOT NULL, 
	scheme TEXT NOT NULL, 
	split TEXT NOT NULL, 
	export_id INTEGER, 
	made_at TEXT NOT NULL, 
	CONSTRAINT pk_assignments PRIMARY KEY (image_id, scheme), 
	CONSTRAINT ck_assignments_split_word CHECK (split IN ('train', 'val', 'test')), 
	CONSTRAINT fk_assignments_export_id FOREIGN KEY(export_id) REFERENCES exports (id), 
	CONSTRAINT fk_assignments_image_id FOREIGN KEY(image_id) REFERENCES images (id)
);
CREATE TABLE "categories" (
	id INTEGER NOT NULL, 
	slug TEXT NOT NULL, 
	label INTEGER, 
	name TEXT NOT NULL, 
	node TEXT NOT NULL, 
	role TEXT DEFAULT 'class' NOT NULL, 
	CONSTRAINT pk_categories PRIMARY KEY (id), 
	CONSTRAINT uq_categories_slug UNIQUE (slug), 
	CONSTRAINT ck_categories_role_word CHECK (role IN ('class', 'none'))
);
INSERT INTO "categories" VALUES(1,'saree',0,'Saree','1968256031','class');
CREATE TABLE "crawls" (
	id INTEGER NOT NULL, 
	spider TEXT NOT NULL, 
	category_id INTEGER NOT NULL, 
	origin TEXT NOT NULL, 
	state TEXT NOT NULL, 
	reason TEXT, 
	settings JSON NOT NULL, 
	started_at TEXT NOT NULL, 
	finished_at TEXT, 
	coverage JSON, 
	parser TEXT, 
	CONSTRAINT pk_crawls PRIMARY KEY (id), 
	CONSTRAINT fk_crawls_category_id FOREIGN KEY(category_id) REFERENCES categories (id), 
	CONSTRAINT ck_crawls_state_word CHECK (state IN ('running', 'interrupted', 'blocked', 'finished', 'refused', 'drifted', 'empty', 'abandoned'))
);
INSERT INTO "crawls" VALUES(1,'test',1,'https://shop.test','running',NULL,'{}','2026-11-27T19:07:26.636Z',NULL,NULL,NULL);
CREATE TABLE crops (
	image_id INTEGER NOT NULL, 
	other_id INTEGER NOT NULL, 
	distance INTEGER NOT NULL, 
	distance256 INTEGER NOT NULL, 
	rule TEXT NOT NULL, 
	CONSTRAINT pk_crops PRIMARY KEY (image_id, other_id), 
	CONSTRAINT ck_crops_ordered CHECK (image_id < other_id), 
	CONSTRAINT fk_crops_image_id_images FOREIGN KEY(image_id) REFERENCES images (id), 
	CONSTRAINT fk_crops_other_id_images FOREIGN KEY(other_id) REFERENCES images (id)
);
CREATE TABLE "export_images" (
	export_id INTEGER NOT NULL, 
	image_id INTEGER NOT NULL, 
	label INTEGER, 
	split TEXT, 
	file TEXT, 
	sha256 TEXT, 
	reason TEXT, 
	CONSTRAINT pk_export_images PRIMARY KEY (export_id, image_id), 
	CONSTRAINT fk_export_images_export_id FOREIGN KEY(export_id) REFERENCES exports (id), 
	CONSTRAINT fk_export_images_image_id FOREIGN KEY(image_id) REFERENCES images (id)
);
CREATE TABLE exports (
	id INTEGER NOT NULL, 
	out TEXT NOT NULL, 
	scheme TEXT NOT NULL, 
	settings JSON NOT NULL, 
	digest TEXT NOT NULL, 
	pictures INTEGER NOT NULL, 
	withheld INTEGER NOT NULL, 
	made_at TEXT NOT NULL, 
	CONSTRAINT pk_exports PRIMARY KEY (id)
);
CREATE TABLE groups (
	id INTEGER NOT NULL, 
	made_at TEXT NOT NULL, 
	CONSTRAINT pk_groups PRIMARY KEY (id)
);
INSERT INTO "groups" VALUES(1,'2026-11-27T19:07:26.672Z');
INSERT INTO "groups" VALUES(3,'2026-11-27T19:07:26.994Z');
CREATE TABLE hosts (
	host TEXT NOT NULL, 
	cool_until DOUBLE NOT NULL, 
	cooled_at DOUBLE NOT NULL, 
	page_blocks INTEGER NOT NULL, 
	picture_blocks INTEGER NOT NULL, 
	CONSTRAINT pk_hosts PRIMARY KEY (host)
);
CREATE TABLE images (
	id INTEGER NOT NULL, 
	image_key TEXT NOT NULL, 
	url TEXT NOT NULL, 
	status TEXT NOT NULL, 
	reason TEXT, 
	label INTEGER, 
	duplicate_of INTEGER, 
	duplicate_kind TEXT, 
	distance INTEGER, 
	group_id INTEGER, 
	sha256 TEXT, 
	path TEXT, 
	format TEXT, 
	width INTEGER, 
	height INTEGER, 
	bytes INTEGER, 
	phash TEXT, 
	phash256 TEXT, 
	phash_mirror TEXT, 
	phash256_mirror TEXT, 
	phash_trim TEXT, 
	phash256_trim TEXT, 
	hash_recipe INTEGER, 
	rule TEXT, 
	compared INTEGER, 
	source TEXT, 
	http_status INTEGER, 
	first_crawl_id INTEGER, 
	fetched_at TEXT, 
	first_seen_at TEXT NOT NULL, 
	last_seen_at TEXT NOT NULL, detail TEXT, 
	CONSTRAINT pk_images PRIMARY KEY (id), 
	CONSTRAINT ck_images_status_word CHECK (status IN ('kept', 'duplicate', 'quarantined', 'rejected', 'forgotten')), 
	CONSTRAINT fk_images_duplicate_of FOREIGN KEY(duplicate_of) REFERENCES images (id), 
	CONSTRAINT fk_images_first_crawl_id FOREIGN KEY(first_crawl_id) REFERENCES crawls (id), 
	CONSTRAINT fk_images_group_id FOREIGN KEY(group_id) REFERENCES groups (id), 
	CONSTRAINT uq_images_image_key UNIQUE (image_key)
);
INSERT INTO "images" VALUES(1,'https://shop.test/images/I/a.jpg','https://shop.test/images/I/a.jpg','kept',NULL,0,NULL,NULL,NULL,1,'2841a66d3f15a57d3c170722fdb3888967c6cf6c817fbbc9c6975a73c7f84fd6','28/2841a66d3f15a57d3c170722fdb3888967c6cf6c817fbbc9c6975a73c7f84fd6.jpg','JPEG',600,800,1000,'ffe42279f3bd0683','66a852c1bb9651f3cd18ec08f6a4e724d26facd2aeb0daf2a972cd3fa02fd44f','54e0fb7606fc1b57','be1d4db1cd12c3f930ad83daeaa57c4ebfcd8d0a0688a0385655a178dd9b21b6','ffe42279f3bd0683','66a852c1bb9651f3cd18ec08f6a4e724d26facd2aeb0daf2a972cd3fa02fd44f',1,'duplicate 8/22, related 10/32',1,NULL,200,1,'2026-11-27T19:07:26.647Z','2026-11-27T19:07:26.647Z','2026-11-27T19:07:26.651Z',NULL);
INSERT INTO "images" VALUES(2,'https://shop.test/images/I/a2.jpg','https://shop.test/images/I/a2.jpg','duplicate',NULL,0,1,'near',2,1,'20a20ca3e4a1d7a36f8fe976f29aa60922708964a5227ea4daa1de08ef043ab6','20/20a20ca3e4a1d7a36f8fe976f29aa60922708964a5227ea4daa1de08ef043ab6.jpg','JPEG',60,80,1000,'7fe4227973bd0683','66a852c1bb9651f3cd18ec08f6a4e724d26facd2aeb0daf2a972cd3fa02fd44f','d4e0fb7686fc1b57','be1d4db1cd12c3f930ad83daeaa57c4ebfcd8d0a0688a0385655a178dd9b21b6','7fe4227973bd0683','66a852c1bb9651f3cd18ec08f6a4e724d26facd2aeb0daf2a972cd3fa02fd44f',1,'duplicate 8/22, related 10/32',2,NULL,200,1,'2026-11-27T19:07:26.647Z','2026-11-27T19:07:26.647Z','2026-11-27T19:07:26.651Z',NULL);
INSERT INTO "images" VALUES(3,'https://shop.test/images/I/b.jpg','https://shop.test/images/I/b.jpg','kept',NULL,0,NULL,NULL,NULL,1,'d2d6f4b6e46eadafe63e776fad46f32e3fcc5b573d2cdbc2514a968acadb5b2f','d2/d2d6f4b6e46eadafe63e776fad46f32e3fcc5b573d2cdbc2514a968acadb5b2f.jpg','JPEG',600,800,1000,'c1586bd64803f942','6471fb1b63ea694c1eb1ef691f1971d0fd6f86739dcd8717d5e4ba552530a099','942edfbb8b2c0167','c9dc5105652677dac88cb3e8486ecd2e2024fe1606defc2be88449e2f1bcedd8','c1586bd64803f942','6471fb1b63ea694c1eb1ef691f1971d0fd6f86739dcd8717d5e4ba552530a099',1,'duplicate 8/22, related 10/32',3,NULL,200,1,'2026-11-27T19:07:26.984Z','2026-11-27T19:07:26.984Z','2026-11-27T19:07:26.985Z',NULL);
INSERT INTO "images" VALUES(4,'https://shop.test/images/I/s.jpg','https://shop.test/images/I/s.jpg','quarantined','sponsored',0,NULL,NULL,NULL,3,'4bab8a4f1dc0eaa54c58c5a1fc75e0eaf8ef587c826947e75a50aeedc590de28','4b/4bab8a4f1dc0eaa54c58c5a1fc75e0eaf8ef587c826947e75a50aeedc590de28.jpg','JPEG',600,800,1000,'f8c2becf931aed15','f5d3ef2d059d9f3c36ec6d2ec75220cd240786de399208950e0f160a90d01818','7737ad15ad5368a3','9f7cc02355e48c94e9336ac7527fed84758814a1a71c8f948bd3d24fbb31b4ea','f8c2becf931aed15','f5d3ef2d059d9f3c36ec6d2ec75220cd240786de399208950e0f160a90d01818',1,'duplicate 8/22, related 10/32',4,NULL,200,1,'2026-11-27T19:07:26.984Z','2026-11-27T19:07:26.984Z','2026-11-27T19:07:26.985Z',NULL);
INSERT INTO "images" VALUES(5,'https://shop.test/images/I/x.jpg','https://shop.test/images/I/x.jpg','rejected','http_error',0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,200,1,'2026-11-27T19:07:27.001Z','2026-11-27T19:07:27.001Z','2026-11-27T19:07:27.003Z',NULL);
CREATE TABLE lanes (
	lane TEXT NOT NULL, 
	host TEXT NOT NULL, 
	free_at DOUBLE NOT NULL, 
	CONSTRAINT pk_lanes PRIMARY KEY (lane)
);
CREATE TABLE likenesses (
	image_id INTEGER NOT NULL, 
	other_id INTEGER NOT NULL, 
	kind TEXT NOT NULL, 
	exact BOOLEAN NOT NULL, 
	way TEXT NOT NULL, 
	distance INTEGER NOT NULL, 
	distance256 INTEGER NOT NULL, 
	CONSTRAINT pk_likenesses PRIMARY KEY (image_id, other_id), 
	CONSTRAINT ck_likenesses_kind_word CHECK (kind IN ('duplicate', 'related', 'weak')), 
	CONSTRAINT ck_likenesses_way_word CHECK (way IN ('plain', 'mirrored', 'trimmed')), 
	CONSTRAINT ck_likenesses_ordered CHECK (image_id < other_id), 
	CONSTRAINT fk_likenesses_image_id FOREIGN KEY(image_id) REFERENCES images (id), 
	CONSTRAINT fk_likenesses_other_id FOREIGN KEY(other_id) REFERENCES images (id)
);
INSERT INTO "likenesses" VALUES(1,2,'duplicate',0,'plain',2,0);
CREATE TABLE pages (
	id INTEGER NOT NULL, 
	crawl_id INTEGER NOT NULL, 
	kind TEXT NOT NULL, 
	number INTEGER NOT NULL, 
	url TEXT NOT NULL, 
	state TEXT NOT NULL, 
	lease_until TEXT, 
	lease_host TEXT, 
	lease_pid INTEGER, 
	lease_started TEXT, 
	attempts INTEGER DEFAULT '0' NOT NULL, 
	http_status INTEGER, 
	verdict TEXT, 
	bytes INTEGER, 
	cards INTEGER, 
	total_results INTEGER, 
	rendered_by TEXT, 
	fetched_at TEXT, coverage JSON, reason TEXT, lease_token TEXT, 
	CONSTRAINT pk_pages PRIMARY KEY (id), 
	CONSTRAINT ck_pages_state_word CHECK (state IN ('pending', 'leased', 'done', 'failed')), 
	CONSTRAINT fk_pages_crawl_id FOREIGN KEY(crawl_id) REFERENCES crawls (id), 
	CONSTRAINT uq_pages_crawl_id_url UNIQUE (crawl_id, url)
);
INSERT INTO "pages" VALUES(1,1,'listing',1,'https://shop.test/s?page=1','done',NULL,NULL,NULL,NULL,1,200,'ok',100,2,NULL,NULL,'2026-11-27T19:07:26.975Z','null',NULL,NULL);
INSERT INTO "pages" VALUES(2,1,'listing',2,'https://shop.test/s?page=2','done',NULL,NULL,NULL,NULL,1,200,'ok',100,2,NULL,NULL,'2026-11-27T19:07:26.998Z','null',NULL,NULL);
INSERT INTO "pages" VALUES(3,1,'listing',3,'https://shop.test/s?page=3','done',NULL,NULL,NULL,NULL,1,200,'ok',100,2,NULL,NULL,'2026-11-27T19:07:27.010Z','null',NULL,NULL);
CREATE TABLE products (
	id INTEGER NOT NULL, 
	asin TEXT NOT NULL, 
	parent_asin TEXT, 
	title TEXT, 
	brand TEXT, 
	breadcrumb TEXT, 
	url TEXT, 
	price FLOAT, 
	currency TEXT, 
	rating FLOAT, 
	first_seen_at TEXT NOT NULL, 
	last_seen_at TEXT NOT NULL, 
	CONSTRAINT pk_products PRIMARY KEY (id), 
	CONSTRAINT uq_products_asin UNIQUE (asin)
);
INSERT INTO "products" VALUES(1,'B0A',NULL,'Title b',NULL,NULL,NULL,NULL,NULL,NULL,'2026-11-27T19:07:26.651Z','2026-11-27T19:07:26.985Z');
INSERT INTO "products" VALUES(2,'B0B',NULL,'Title a2',NULL,NULL,NULL,NULL,NULL,NULL,'2026-11-27T19:07:26.651Z','2026-11-27T19:07:26.651Z');
CREATE TABLE "reviews" (
	id INTEGER NOT NULL, 
	image_id INTEGER NOT NULL, 
	action TEXT NOT NULL, 
	label INTEGER, 
	reason TEXT, 
	reviewer TEXT NOT NULL, 
	made_at TEXT NOT NULL, 
	undone_at TEXT, 
	CONSTRAINT pk_reviews PRIMARY KEY (id), 
	CONSTRAINT fk_reviews_image_id FOREIGN KEY(image_id) REFERENCES images (id), 
	CONSTRAINT ck_reviews_action_word CHECK (action IN ('label', 'keep', 'reject', 'none'))
);
CREATE TABLE secrets (
	name TEXT NOT NULL, 
	value TEXT NOT NULL, 
	CONSTRAINT pk_secrets PRIMARY KEY (name)
);
INSERT INTO "secrets" VALUES('tombstones','acd7e4280ce75f369d854ee2fb1cb8e9756aa31f8bb2842dcc15b19a7c906119');
CREATE TABLE sightings (
	id INTEGER NOT NULL, 
	crawl_id INTEGER NOT NULL, 
	page_id INTEGER NOT NULL, 
	category_id INTEGER NOT NULL, 
	product_id INTEGER, 
	image_id INTEGER, 
	position INTEGER NOT NULL, 
	title TEXT, 
	image_url TEXT, 
	sponsored BOOLEAN NOT NULL, 
	reason TEXT, 
	seen_at TEXT NOT NULL, 
	CONSTRAINT pk_sightings PRIMARY KEY (id), 
	CONSTRAINT fk_sightings_category_id FOREIGN KEY(category_id) REFERENCES categories (id), 
	CONSTRAINT fk_sightings_crawl_id FOREIGN KEY(crawl_id) REFERENCES crawls (id), 
	CONSTRAINT fk_sightings_image_id FOREIGN KEY(image_id) REFERENCES images (id), 
	CONSTRAINT fk_sightings_page_id FOREIGN KEY(page_id) REFERENCES pages (id), 
	CONSTRAINT fk_sightings_product_id FOREIGN KEY(product_id) REFERENCES products (id), 
	CONSTRAINT uq_sightings_page_id_position UNIQUE (page_id, position)
);
INSERT INTO "sightings" VALUES(1,1,1,1,1,1,1,'Title a','https://shop.test/images/I/a.jpg',0,NULL,'2026-11-27T19:07:26.651Z');
INSERT INTO "sightings" VALUES(2,1,1,1,2,2,2,'Title a2','https://shop.test/images/I/a2.jpg',0,NULL,'2026-11-27T19:07:26.651Z');
INSERT INTO "sightings" VALUES(3,1,2,1,1,3,1,'Title b','https://shop.test/images/I/b.jpg',0,NULL,'2026-11-27T19:07:26.985Z');
INSERT INTO "sightings" VALUES(4,1,2,1,NULL,4,2,'Title s','https://shop.test/images/I/s.jpg',0,'sponsored','2026-11-27T19:07:26.985Z');
INSERT INTO "sightings" VALUES(5,1,3,1,NULL,5,1,'Title x','https://shop.test/images/I/x.jpg',0,NULL,'2026-11-27T19:07:27.003Z');
INSERT INTO "sightings" VALUES(6,1,3,1,NULL,NULL,2,'Title None',NULL,0,'no_image','2026-11-27T19:07:27.003Z');
CREATE TABLE tombstones (
	digest TEXT NOT NULL, 
	image_id INTEGER NOT NULL, 
	CONSTRAINT pk_tombstones PRIMARY KEY (digest), 
	CONSTRAINT fk_tombstones_image_id_images FOREIGN KEY(image_id) REFERENCES images (id)
);
CREATE INDEX ix_exports_digest ON exports (digest);
CREATE INDEX ix_products_parent_asin ON products (parent_asin);
CREATE INDEX ix_images_compared ON images (compared, id, phash, phash_trim);
CREATE INDEX ix_images_duplicate_of ON images (duplicate_of);
CREATE INDEX ix_images_group_id ON images (group_id);
CREATE INDEX ix_images_sha256 ON images (sha256);
CREATE INDEX ix_images_status_id ON images (status, id);
CREATE INDEX ix_images_status_label ON images (status, label, id);
CREATE UNIQUE INDEX uq_images_kept_sha256 ON images (sha256) WHERE status = 'kept';
CREATE INDEX ix_pages_crawl_state ON pages (crawl_id, state);
CREATE INDEX ix_likenesses_other_id ON likenesses (other_id);
CREATE INDEX ix_sightings_crawl_id ON sightings (crawl_id, image_id);
CREATE INDEX ix_sightings_image_id ON sightings (image_id);
CREATE INDEX ix_sightings_product_id ON sightings (product_id);
CREATE INDEX ix_crops_other_id ON crops (other_id);
CREATE INDEX ix_export_images_image_id ON export_images (image_id);
CREATE INDEX ix_reviews_image_id ON reviews (image_id);
CREATE VIEW crawl_yield AS
SELECT w.id AS crawl_id, w.spider, w.origin, w.state, w.started_at, w.finished_at,
       (SELECT COUNT(*) FROM pages g WHERE g.crawl_id = w.id AND g.state = 'done') AS pages,
       COUNT(s.id) AS cards,
       COUNT(DISTINCT s.image_id) AS images,
       COUNT(DISTINCT CASE WHEN i.first_crawl_id = w.id THEN i.id END) AS new_images,
       COUNT(DISTINCT CASE WHEN i.status = 'kept' THEN i.id END) AS kept
FROM crawls w LEFT JOIN sightings s ON s.crawl_id = w.id LEFT JOIN images i ON i.id = s.image_id
GROUP BY w.id, w.spider, w.origin, w.state, w.started_at, w.finished_at;
CREATE VIEW duplicate_pairs AS
SELECT d.id AS image_id, d.path, d.width, d.height, k.id AS kept_id, k.path AS kept_path, k.width AS kept_width, k.height AS kept_height,
       d.duplicate_kind AS kind, d.distance, d.rule
FROM images d JOIN images k ON k.id = d.duplicate_of
WHERE d.status = 'duplicate';
CREATE VIEW label_counts AS
SELECT i.label, c.name, i.status, i.reason, COUNT(*) AS images
FROM images i LEFT JOIN (SELECT DISTINCT label, name FROM categories) c ON c.label = i.label
GROUP BY i.label, c.name, i.status, i.reason;
CREATE VIEW image_provenance AS
SELECT s.image_id, c.label, i.status, COALESCE(i.reason, s.reason) AS reason, i.path, i.sha256, i.phash, i.width, i.height,
       p.asin, COALESCE(s.title, p.title) AS title, p.url AS product_url, s.image_url, g.url AS page_url, g.number AS page_number,
       s.position, s.sponsored, s.crawl_id, w.spider, s.seen_at, i.url AS fetched_url, i.fetched_at
FROM sightings s
JOIN categories c ON c.id = s.category_id
JOIN pages g ON g.id = s.page_id
JOIN crawls w ON w.id = s.crawl_id
LEFT JOIN images i ON i.id = s.image_id
LEFT JOIN products p ON p.id = s.product_id;
CREATE INDEX ix_tombstones_image_id ON tombstones (image_id);
COMMIT;
