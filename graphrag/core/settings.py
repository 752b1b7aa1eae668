"""One frozen tree of settings: every default and description, once."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, SecretStr

FILE_NAME = "graphrag.yaml"
ENV_PREFIX = "GRAPHRAG__"
WORK_FOLDER = ".graphrag"

Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]
Positive: TypeAlias = Annotated[int, Field(gt=0)]
Count: TypeAlias = Annotated[int, Field(ge=0)]
Weight: TypeAlias = Annotated[float, Field(ge=0)]


class Section(BaseModel):
    """A part of the settings. The text below a field says what it means (`meanings`)."""

    # Only the whole tree is built, once: a validator for each section doubles the start-up.
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class Price(Section):
    input: Annotated[float, Field(ge=0)]
    """USD per million prompt tokens."""
    output: Annotated[float, Field(ge=0)] = 0.0
    """USD per million completion tokens."""


class ChatSettings(Section):
    model: str | None = "gpt-4.1-mini"
    """Model name; null turns chat off."""
    base_url: str | None = None
    """OpenAI-compatible server; unset: OPENAI_BASE_URL, else OpenAI's own."""
    api_key: SecretStr | None = None
    """Unset: OPENAI_API_KEY. Write "${NAME}" here rather than a key."""
    temperature: Annotated[float, Field(ge=0, le=2)] | None = 0.0
    """Null leaves it to the server (some models accept only their own)."""
    max_output_tokens: Positive | None = None
    """Most tokens of a reply; null: what the kind of call needs, 256 to 4,096 as a rule."""
    context_tokens: Positive | None = None
    """Tokens of a prompt and its reply; null: what the server says, or is learnt from refusals."""
    timeout_s: Annotated[float, Field(gt=0)] = 120.0
    """Longest wait for one reply."""
    max_retries: Count = 5
    """Further tries after 408, 409, 425, 429, 5xx and dropped connections."""
    concurrency: Positive = 25
    """Calls in flight at once, fewer while the server is overloaded; on this machine 4 if unset."""
    requests_per_minute: Positive | None = None
    """Limit on calls; null is none."""
    tokens_per_minute: Positive | None = None
    """Limit on prompt and completion tokens; null is none."""
    price: Price | None = None
    """Unset: a built-in price for well-known models."""


class EmbeddingSettings(Section):
    model: str | None = "text-embedding-3-small"
    """Model name; null turns embeddings off; local, local:minilm, local:FOLDER: in this process."""
    query_prefix: str | None = None
    """What stands before a question; unset: what the model is known to want."""
    passage_prefix: str | None = None
    """What stands before a text of the index; unset: what the model is known to want."""
    base_url: str | None = None
    """Unset: chat.base_url, else OPENAI_BASE_URL, else OpenAI's own."""
    api_key: SecretStr | None = None
    """Unset: chat.api_key, else OPENAI_API_KEY."""
    window_tokens: Annotated[int, Field(ge=16)] = 192
    """Tokens of a text unit that are embedded at a time; its nearest window is how near it is."""
    dimensions: Positive | None = None
    """Ask the model for shorter vectors; null takes its own size."""
    batch_size: Positive = 256
    """Texts in one call, at most."""
    batch_tokens: Positive = 100_000
    """Tokens in one call, at most."""
    timeout_s: Annotated[float, Field(gt=0)] = 60.0
    """Longest wait for one reply."""
    max_retries: Count = 5
    """Further tries, as for chat."""
    concurrency: Positive = 8
    """Calls in flight at once."""
    requests_per_minute: Positive | None = None
    """Limit on calls; null is none."""
    tokens_per_minute: Positive | None = None
    """Limit on tokens; null is none."""
    price: Price | None = None
    """Unset: a built-in price for well-known models."""

    @property
    def is_local(self) -> bool:
        """Whether the model runs in this process."""
        return self.model is not None and self.model.partition(":")[0] == "local"


class BatchSettings(Section):
    """For `graphrag index --batch`, which uses the Batch API of the model server."""

    max_requests: Annotated[int, Field(gt=0, le=50_000)] = 20_000
    """Requests in one batch, at most. They wait in memory together."""
    max_mb: Annotated[float, Field(gt=0, le=200)] = 190.0
    """Size of the file of one batch, at most."""
    poll_s: Annotated[float, Field(gt=0)] = 30.0
    """Longest pause between two looks at a batch."""
    price_factor: Share = 0.5
    """What a call in a batch costs, as a share of its usual price."""
    embeddings: bool = True
    """Embed by batches, too, where chat and embeddings have the same server."""


class RerankSettings(Section):
    """A second look at what `basic` and `hybrid` found."""

    method: Literal["none", "endpoint", "listwise", "pairwise"] = "none"
    """endpoint: POST {base_url}/rerank; listwise: one chat call; pairwise: one for each pair."""
    model: str | None = None
    """Model of the endpoint."""
    base_url: str | None = None
    """Unset: chat.base_url."""
    api_key: SecretStr | None = None
    """Unset: chat.api_key."""
    candidates: Positive = 30
    """Text units that the endpoint or one listwise call ranks; pairwise takes the first 8."""
    price_per_call: Annotated[float, Field(ge=0)] | None = None
    """USD for one call of the endpoint; unset is not known."""
    timeout_s: Annotated[float, Field(gt=0)] = 30.0
    """Longest wait for one reply."""
    max_retries: Count = 3
    """Further tries, as for chat."""


class InputSettings(Section):
    include: tuple[str, ...] = ()
    """Glob patterns a file's name must match; empty takes every known kind."""
    exclude: tuple[str, ...] = ()
    """Glob patterns of names to leave out."""
    text_column: str | dict[str, str] = "text"
    """Column or key of csv, json and jsonl rows that holds the text, or one by file pattern."""
    encoding: str | dict[str, str] = ""
    """Encoding of text files, or one by file pattern; empty finds it out."""
    title_column: str = "title"
    """Column or key that holds the title."""
    id_column: str = "id"
    """Column or key that names a row; rows without one are named by their content."""
    max_file_mb: Annotated[float, Field(gt=0)] = 100.0
    """A larger file is listed as failed, not read."""
    max_unpacked_mb: Annotated[float, Field(gt=0)] = 200.0
    """The most that a docx, pptx or xlsx file may hold once unpacked."""
    max_seconds: Annotated[float, Field(gt=0)] = 60.0
    """CPU time that reading one html, pdf, office or large csv or json file may take."""
    max_memory_mb: Annotated[float, Field(gt=0)] = 400.0
    """The most memory that reading one such file may take beside eight times its size (Linux)."""
    pdf: Literal["pdfium", "pdfplumber"] = "pdfium"
    """pdfplumber also finds tables; it is slower and needs `pip install .[pdf]`."""
    near_duplicates: Literal["keep", "skip"] = "keep"
    """skip: of documents that are nearly the same only the first by source is indexed."""
    near_duplicate_similarity: Annotated[float, Field(ge=0.5, le=1)] = 0.9
    """Share of word groups in common (Jaccard) from which two texts are nearly the same."""


class ChunkSettings(Section):
    max_tokens: Positive = 1200
    """Tokens in one text unit, at most."""
    overlap: Count = 100
    """Tokens of the unit before that are repeated."""
    context: bool = False
    """Let the model write one line that situates each unit in its document."""


class ExtractionSettings(Section):
    method: Literal["auto", "standard", "fast"] = "auto"
    """standard asks the model, fast uses NLP, auto is standard with a chat model."""
    entity_types: tuple[str, ...] = (
        "person",
        "organization",
        "location",
        "event",
        "product",
        "concept",
    )
    """Types to look for. The model may use others where none fits. A tuned set has its own."""
    max_gleanings: Count = 0
    """Further rounds that ask for what was missed. Each sends the text again."""
    claims: bool = False
    """Extract claims (dated statements about an entity) too."""
    summary_tokens: Positive = 300
    """Descriptions that together are longer than this are summarised by the model."""
    min_phrase_mentions: Positive = 2
    """fast: text units in which a common noun phrase must occur to become an entity."""


class ResolutionSettings(Section):
    method: Literal["auto", "rules", "exact"] = "auto"
    """auto: rules, and the chat model where they do not tell; exact: equal names and aliases."""
    threshold: Share = 0.9
    """Similarity of two spellings from which the model is asked about them."""
    embedding_threshold: Share = 0.85
    """Similarity of the vectors of two names from which it is asked; 1 embeds no names."""
    pairs_per_thousand: Count = 50
    """Pairs of names that it is asked about for each thousand names, likely ones first."""
    always_join: tuple[tuple[str, ...], ...] = ()
    """Lists of names that are one entity; the first is its name."""
    never_join: tuple[tuple[str, ...], ...] = ()
    """Lists of names that must stay apart."""


class CommunitySettings(Section):
    backend: Literal["graspologic", "leidenalg", "igraph"] = "graspologic"
    """Leiden implementation."""
    objective: Literal["modularity", "cpm"] = "modularity"
    """Quality function."""
    resolution: Annotated[float, Field(gt=0)] = 1.0
    """Higher gives more and smaller communities."""
    max_cluster_size: Positive = 20
    """A larger community is divided on the next level."""
    seed: int = 3735928559
    """Seed of the random choices."""
    update: Literal["stable", "exact"] = "stable"
    """After a change: start from the old communities, or from nothing."""
    min_report_size: Positive = 3
    """Smaller communities get an extractive report."""


class ReportSettings(Section):
    max_input_tokens: Positive = 6000
    """Tokens of graph context for one report."""
    max_findings: Positive = 8
    """Findings asked for, at most."""
    extractive_findings: Positive = 5
    """Findings of a report that no model writes."""


class BasicSettings(Section):
    k: Positive = 8
    """Text units to return."""
    neighbours: Count = 0
    """Units before and after each hit to read with it."""
    max_context_tokens: Positive = 12_000
    """Budget of the context."""
    max_per_document: Positive | None = None
    """Units of one document, at most; null is no limit."""
    rewrite: bool = False
    """Let the model rewrite the question for the search, and propose filters."""


class LocalSettings(Section):
    k: Positive = 8
    """Text units to return."""
    entities: Positive = 10
    """Entities to start from."""
    max_context_tokens: Positive = 12_000
    """Budget of the context."""
    text_share: Share = 0.5
    """Share of the budget for text units."""
    report_share: Share = 0.15
    """Share for community reports; the rest is for entities and relationships."""
    history_turns: Count = 5
    """Turns of the conversation to read."""


class GlobalSettings(Section):
    level: Count = 1
    """Level of the hierarchy whose cover is read; 0 is the coarsest."""
    batch_tokens: Positive = 8000
    """Tokens of reports in one map call."""
    reduce_tokens: Positive = 8000
    """Tokens of points in the reduce call."""
    dynamic: bool = False
    """Let the model rate reports from level 0 down, and read only those that fit the question."""
    threshold: Annotated[float, Field(ge=0, le=5)] = 1.0
    """dynamic: rating (0-5) from which a report is read and its sub-communities are rated."""
    keep_parent: bool = False
    """dynamic: read a report although one of its sub-communities is read too."""
    max_level: Count = 2
    """dynamic: deepest level to go to while no report fits."""


class DriftSettings(Section):
    reports: Positive = 20
    """Reports that the primer reads."""
    folds: Positive = 5
    """Calls that share them."""
    fold_tokens: Positive = 5000
    """Tokens of reports in one of these calls."""
    depth: Count = 2
    """Rounds of follow-up questions."""
    breadth: Positive = 5
    """Follow-up questions of one round, asked at the same time."""
    min_gain: Share = 0.0
    """A round is asked only if more than this share of what it would read is new."""
    context_tokens: Positive = 6000
    """Budget of the context of one follow-up question."""
    text_share: Share = 0.75
    """Share of it for text units; a tenth is for reports, the rest for the graph."""
    reduce_tokens: Positive = 8000
    """Tokens of questions and answers in the reduce call."""
    max_prompt_tokens: Positive = 150_000
    """All prompts of one question together, at most."""


class LazySettings(Section):
    budget: Positive = 100
    """Text units that may be tested for relevance: 100 is quick, 500 thorough, 1500 exhaustive."""
    batch_tokens: Positive = 8000
    """Tokens of relevant text in one call that notes claims."""
    reduce_tokens: Positive = 8000
    """Tokens of claims in the reduce call."""


class HybridSettings(Section):
    k: Positive = 8
    """Text units to return."""
    max_context_tokens: Positive = 12_000
    """Budget of the context."""
    basic: Weight = 0.5
    """Weight of the ranking by words and vectors."""
    local: Weight = 0.5
    """Weight of the ranking by entities."""
    path: Weight = 2.0
    """Weight of the ranking by chains; where there are none it is that of basic."""


class PathSettings(Section):
    k: Positive = 8
    """Text units to return."""
    max_context_tokens: Positive = 12_000
    """Budget of the context."""
    filter_facts: bool = True
    """With a chat model: it picks the facts that help and names what to look up; 1 or 2 calls."""
    fact_tokens: Positive = 1500
    """Tokens of facts in one of these calls."""


class TableSettings(Section):
    max_rows: Positive = 50
    """Rows of a table that are shown and cited; how many there are is said."""


class QuerySettings(Section):
    method: Literal[
        "auto", "basic", "local", "global", "path", "lazy", "hybrid", "drift", "table"
    ] = "auto"
    """Method when a query names none."""
    basic: BasicSettings = Field(default_factory=BasicSettings)
    local: LocalSettings = Field(default_factory=LocalSettings)
    path: PathSettings = Field(default_factory=PathSettings)
    global_: GlobalSettings = Field(default_factory=GlobalSettings, alias="global")
    drift: DriftSettings = Field(default_factory=DriftSettings)
    lazy: LazySettings = Field(default_factory=LazySettings)
    hybrid: HybridSettings = Field(default_factory=HybridSettings)
    table: TableSettings = Field(default_factory=TableSettings)

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True, populate_by_name=True)


class TuningSettings(Section):
    """What `graphrag tune` reads and how it compares."""

    sample: Positive = 16
    """Text units to learn from."""
    select: Literal["diverse", "random", "all"] = "diverse"
    """diverse: as far apart as can be; random; all: every unit that is not held out."""
    seed: int = 0
    """Seed of the random choices."""
    held_out: Positive = 8
    """Text units kept apart, on which the packaged and the tuned prompts are compared."""
    examples: Count = 2
    """Worked examples in the extraction prompt; each call pays for them."""
    judge_model: str | None = None
    """Chat model that compares extractions in pairs; null: no judge."""


class Neo4jSettings(Section):
    """For a store at neo4j:// or bolt://; one that `graphrag neo4j start` made needs none."""

    username: str | None = None
    """Unset: NEO4J_USERNAME, else neo4j."""
    password: SecretStr | None = None
    """Unset: NEO4J_PASSWORD. Write "${NAME}" here rather than a password."""
    database: str | None = None
    """Unset: NEO4J_DATABASE, else the user's home database."""
    typed_from: Annotated[int, Field(ge=1)] = 2
    """A relationship type that at least so many have is their type in Neo4j; else RELATED."""


class LimitSettings(Section):
    max_cost_usd: Annotated[float, Field(gt=0)] | None = None
    """Stop before one run would pass this; null is no limit."""
    max_cache_mb: Annotated[float, Field(gt=0)] = 1000.0
    """Above this the response cache drops its replies and the older half of its vectors."""


class Settings(Section):
    """All settings. Frozen: a changed copy comes from `with_options`."""

    store: str | None = None
    """SQLite path or URL, neo4j:// or bolt:// URL; unset: `.graphrag/graph.db` under the root."""
    namespace: str = "default"
    """Name that keeps several indexes in one store apart."""
    schema_: str | None = Field(default=None, alias="schema")
    """File of the schema, from the root; unset: schema.yaml under the root, where it is there."""
    neo4j: Neo4jSettings = Field(default_factory=Neo4jSettings)
    chat: ChatSettings = Field(default_factory=ChatSettings)
    embedding: EmbeddingSettings = Field(default_factory=EmbeddingSettings)
    batch: BatchSettings = Field(default_factory=BatchSettings)
    rerank: RerankSettings = Field(default_factory=RerankSettings)
    input: InputSettings = Field(default_factory=InputSettings)
    chunks: ChunkSettings = Field(default_factory=ChunkSettings)
    extraction: ExtractionSettings = Field(default_factory=ExtractionSettings)
    resolution: ResolutionSettings = Field(default_factory=ResolutionSettings)
    communities: CommunitySettings = Field(default_factory=CommunitySettings)
    reports: ReportSettings = Field(default_factory=ReportSettings)
    query: QuerySettings = Field(default_factory=QuerySettings)
    tuning: TuningSettings = Field(default_factory=TuningSettings)
    limits: LimitSettings = Field(default_factory=LimitSettings)

    @property
    def has_chat(self) -> bool:
        """Whether a chat model is configured: a model name and a key or a server."""
        chat = self.chat
        return chat.model is not None and bool(chat.api_key or chat.base_url)

    @property
    def has_embedding(self) -> bool:
        """Whether an embedding model is configured."""
        embedding = self.embedding
        if embedding.is_local:
            return True
        return embedding.model is not None and bool(embedding.api_key or embedding.base_url)
