//! The hand-written knowledge of the router as data: word classes, and patterns over them that name a demand.
//!
//! A pattern is a row of steps. An upper-case step is a class of [`CLASSES`], a lower-case one a literal word, `a|b`
//! either; `~3` lets up to three words stand in between; a leading `^` ties the pattern to the first word. A rule
//! fires at most once per query, at the first match of its first matching pattern.
//!
//! Whatever changes here changes [`fingerprint`], and weights trained for another rule book are refused.

/// Word classes: name, then words, case-folded and without apostrophes. `NUM` and `IDENT` also match by shape.
pub(super) const CLASSES: &[(&str, &str)] = &[
    (
        "NUM",
        "one two three four five six seven eight nine ten twelve fifteen twenty thirty fifty hundred single couple",
    ),
    ("IDENT", ""),
    ("WRITE", "write compose draft pen author craft rhyme"),
    ("MAKE", "create generate produce make prepare design devise develop build invent give provide narrate brainstorm"),
    (
        "CREATIVE",
        "punchline punchlines toast scenes rhyming couplet couplets tagline villain lullaby poem poems poetry haiku haikus limerick limericks sonnet sonnets ode rap song songs lyrics verse verses story \
         stories tale fable fairytale screenplay dialogue dialog monologue skit joke jokes pun puns riddle riddles \
         horoscope acrostic parody ballad elegy rhyme rhymes anecdote cinquain villanelle jingle lullaby fanfiction",
    ),
    (
        "DOCUMENT",
        "tweet tweets post posts blog blogs email emails letter letters memo essay essays article speech slogan slogans \
         tagline taglines headline headlines caption captions ad ads advertisement advert pitch newsletter review \
         reviews testimonial bio resume cv obituary eulogy toast invitation note message reply announcement blurb \
         copy proposal template diary hashtag hashtags script rubric scene apology playlist text texts sms thread \
         signature greeting press",
    ),
    (
        "REWRITE",
        "rewrite rewrites reword rephrase paraphrase reformat restate simplify shorten polish proofread edit revise \
         convert transform transcribe redact normalize normalise modernize formalize anonymize capitalize reorder \
         correct rewritten unscramble alphabetize lengthen elaborate format",
    ),
    ("TRANSLATE", "translate translates translation translating"),
    ("SUMMARISE", "summarize summarise summarizing summarising summary condense abridge tldr recap gist"),
    (
        "CLASSIFY",
        "classify categorize categorise label tag sort group predict judge rate rank score grade detect assign \
         classification sentiment",
    ),
    ("EXTRACT", "extract extracts extracting pull parse highlight underline"),
    ("FIND", "identify find determine list tell decide choose pick select check output"),
    ("GIVEN", "following below above given provided attached supplied"),
    ("THIS", "this these that the my"),
    (
        "TEXT",
        "text texts paragraph paragraphs passage passages sentence sentences review reviews email emails article \
         document documents comment comments feedback message messages ticket tickets transcript conversation snippet \
         headline contract input statement statements tweet tweets dialogue invoice excerpt context utterance query \
         abstract essay post letter story quote log notes draft memo report",
    ),
    (
        "MARKUP",
        "json xml yaml csv html markdown latex tsv toml jsonl bibtex schema uppercase lowercase italics capitals emoji \
         emojis bold camelcase",
    ),
    ("TABLE", "table tabular spreadsheet columns grid"),
    ("BULLET", "bullet bullets bulleted numbered checklist outline hierarchical"),
    ("BULLETS", "bullets points items list lists form outline"),
    (
        "UNIT",
        "word words sentence sentences paragraph paragraphs line lines character characters stanza stanzas syllables \
         bullets bullet pages verses section sections phrases letters",
    ),
    ("LIMIT", "exactly least most under fewer less within maximum minimum max only over max around approximately"),
    (
        "TONE",
        "formal informal casual friendly polite professional humorous funny sarcastic witty playful enthusiastic \
         empathetic warm serious poetic persuasive concise dramatic romantic scary upbeat cheerful neutral angry \
         whimsical sympathetic conversational quirky heartfelt satirical optimistic pessimistic diplomatic catchy \
         inspirational motivational sincere rude sassy melancholic lighthearted formally informally casually politely \
         professionally humorously sarcastically enthusiastically warmly concisely briefly cheerfully kindly patient \
         confident calm excited sarcasm humor humour curt blunt courteous respectful colloquial rhyming spooky silly \
         hilarious tactful energetic terse snarky",
    ),
    ("STYLE", "style tone voice manner register diction wording slang accent persona character dialect"),
    ("BRAND", "brand house company corporate editorial our"),
    ("GUIDE", "guide guides guideline guidelines manual handbook book policy"),
    ("ACT", "act pretend roleplay imagine impersonate behave assume suppose play"),
    (
        "ROLE",
        "sommelier gangster grandma grandpa butler medieval shaman monk sailor viking noir narrator gamer hipster pirate teacher expert lawyer doctor therapist assistant shakespeare yoda comedian knight robot poet journalist \
         chef wizard scientist professor coach consultant recruiter interviewer translator historian detective villain \
         child kid toddler grandmother critic narrator novelist interviewer salesperson counselor marketer hacker \
         cowboy vampire dragon king queen alien influencer philosopher tutor agent bot chatbot",
    ),
    (
        "LAY",
        "kids kid children child beginner beginners layman laymans laymen dummies toddler teenager teenagers grader \
         graders grandmother grandma novice students preschoolers yearold non-expert executives",
    ),
    ("YEARS", "year years"),
    ("WH", "what who whom whose which when where why how whats whos wheres hows whens"),
    (
        "AUX",
        "is are was were do does did can could should would will has have had am may might must isnt arent doesnt dont",
    ),
    (
        "TELL",
        "explain list describe name define discuss compare state mention enumerate tell outline contrast identify \
         summarize analyze analyse illustrate elaborate show give provide detail trace clarify evaluate",
    ),
    (
        "MATTER",
        "difference differences cause causes effect effects history origin meaning definition policy policies price \
         prices cost costs deadline limit limits requirements steps procedure process rules types advantages \
         disadvantages benefits features role impact importance principle principles theory causes stages parts layers \
         components members capital population symptoms treatment warranty rate fee fees hours address version \
         specification allowance eligibility",
    ),
    ("ABOUT", "about on regarding for concerning describing explaining"),
    (
        "ACTION",
        "escalate forward archive mute unmute share print assign move hide resend rename snooze dim ring dial approve reject confirm store dispatch deploy restart reboot cancel freeze skip wake lock unlock redeem renew reschedule upload save put reset delete close activate deactivate block unblock order buy refund track transfer send book schedule \
         remind reorder pay upgrade downgrade subscribe unsubscribe submit play pause turn switch add remove update \
         change edit open set call log register file report return exchange check see",
    ),
    ("MY", "my mine"),
    ("PRONOUN", "i im ive me we us it lets lol ok okay yes no"),
    (
        "ACCOUNT",
        "account order orders subscription password card payment invoice booking reservation address profile ticket \
         refund purchase plan delivery membership alarm timer reminder meeting lights music appointment calendar volume \
         shipment bill pin money flight newsletter",
    ),
    ("GREET", "hi hello hey thanks thank bye goodbye howdy greetings cheers welcome goodnight morning evening yo sup"),
    (
        "CODE",
        "endpoint recursive recursion api loop array variable git npm flask django react node pandas dataframe stack query compiler segfault pointer python javascript java typescript rust golang function code program bug sql regex algorithm css php bash ruby \
         script class method unittest dockerfile kotlin swift component compile refactor debug",
    ),
    (
        "MATH",
        "calculate compute solve plus minus times divided multiply multiplied equation integral derivative sqrt squared \
         simplify factor evaluate sum add subtract divide percent",
    ),
    ("YOU", "you your yourself"),
    (
        "OPINION",
        "think like feel believe favorite favourite opinion prefer love hate dream opinions feelings recommend",
    ),
    (
        "RESPOND",
        "respond reply answer answers response responses output return replies answering responding speak talk",
    ),
    ("WITH", "with in using as by only into"),
    ("INCLUDE", "include contain mention use avoid end begin start finish repeat wrap mark highlight exclude omit"),
    ("KEYWORD", "keyword keywords phrase word words letter comma commas title sections section postscript placeholder"),
    ("NOT", "not dont without avoid never no"),
    (
        "LANGUAGE",
        "english french german spanish italian portuguese chinese japanese korean russian arabic hindi latin dutch \
         swedish polish turkish greek hebrew danish norwegian finnish czech mandarin ukrainian tamil bengali urdu \
         vietnamese thai esperanto",
    ),
    ("EITHER", "or versus"),
    (
        "LABEL",
        "positive negative neutral true false yes no spam ham toxic urgent entailment contradiction support fact \
         opinion bug priority high low medium category categories label labels class classes topic topics intent",
    ),
    ("LIKE", "like as"),
    ("IF", "if"),
    ("A", "a an the some"),
    ("SAY", "say says said state states mention require requires recommend allow allows"),
    ("IDEA", "ideas idea suggestions suggestion suggest names name brainstorm alternatives options activities ways"),
];

/// Rules: name, then patterns separated by `;`. The name's part before the dot is the kind of demand.
pub(super) const RULES: &[(&str, &str)] = &[
    (
        "format.markup",
        "WITH ~3 MARKUP; MARKUP format|object|array|code|output|schema|list|table|document; \
         valid|strict|raw|entire|all ~1 MARKUP; return|output|give|emit|respond ~4 MARKUP; \
         REWRITE ~6 MARKUP; as|to|into MARKUP",
    ),
    (
        "format.table",
        "WITH a|an|the|two|three|four|table ~2 table|grid|spreadsheet|tabular; TABLE format|form|with; \
         MAKE a|the ~2 table; in|into|as tabular; WITH columns; as|into table; comparison table",
    ),
    (
        "format.list",
        "BULLET list|points|point|format|form|outline|structure|lists; WITH ~3 bullets|bulleted|numbered; \
         WITH a|an list ~1 format|form; list format|form; bullets only; comma separated; separated by|with; separate ~4 comma",
    ),
    (
        "format.length",
        "LIMIT ~2 NUM UNIT; LIMIT ~2 NUM ~1 bullets|points|items|steps; LIMIT ~1 NUM ~1 UNIT; WITH NUM ~1 UNIT; NUM UNIT LIMIT; NUM UNIT; NUM or more|fewer|less UNIT; \
         NUM to|and NUM UNIT; WITH one|a|single UNIT; word limit|count; no more|longer|less than; \
         WITH just|only NUM UNIT; NUM UNIT RESPOND; keep ~3 short|brief|concise; short|brief RESPOND; WITH a nutshell; be brief|concise|short",
    ),
    (
        "format.constraint",
        "INCLUDE ~4 KEYWORD; NOT use|include|mention|contain|exceed|say|add|write; must start|begin|end|include|contain|have; \
         should include|contain|end|start|begin|have|be; INCLUDE your ~1 response|answer|reply; \
         INCLUDE ~1 the word|words|phrase|letter; your|the|entire|whole response|answer|output|reply ~1 should|must; \
         all lowercase|caps|capital; without using; each|every sentence|line|paragraph|word; use only; only use",
    ),
    (
        "format.labels",
        "CLASSIFY ~6 EITHER; LABEL EITHER LABEL; LABEL LABEL EITHER LABEL; as LABEL|either|one; into ~4 categories|classes|groups",
    ),
    (
        "format.only",
        "RESPOND only|just; only ~1 RESPOND; RESPOND with ~4 only; RESPOND ~5 nothing; only with; just the|give ~2 answer|number|code|label; nothing else; no explanation; only output",
    ),
    ("format.cite", "WITH apa|mla|chicago|bibtex|harvard; apa|mla|chicago|harvard style|format; format ~3 as"),
    (
        "style.like",
        "WITH ~1 the style|manner|voice|tone|spirit|words of; write|written|sound|sounds|speak|talk|rewrite|respond|answer|reply|tell|say|told|describe|explain ~4 like; as ~4 would; the way ~4 would|writes|speaks|talks; \
         WITH ~4 STYLE of; as if ~2 you|it|were|written; as though; in the style; mimic|imitate|emulate; adopt ~4 STYLE",
    ),
    (
        "style.voice",
        "WITH ~2 BRAND ~1 STYLE; BRAND STYLE|style|voice|tone; follow|following|apply|match|use|using ~3 STYLE; \
         match|follow|keep|apply ~4 STYLE; STYLE guide|rules; brand voice; on brand; house style; our STYLE",
    ),
    (
        "style.tone",
        "WITH a|an|more|the ~1 TONE; TONE STYLE; TONE and TONE; make ~4 TONE; be|stay|remain|being ~2 TONE; RESPOND ~1 TONE; WITH ~2 TONE tone|way|manner|language|words|style; more|less|sound|sounds|very TONE; \
         WITH TONE STYLE; TONE CREATIVE|DOCUMENT; STYLE should ~1 be; WRITE a|an TONE; WITH humor|sarcasm|wit|enthusiasm|empathy",
    ),
    (
        "persona",
        "ACT as|like|you|that|the; ACT ~2 ROLE; you are a|an|now; as a|an ROLE; from ~2 perspective|viewpoint; as if you were; you as ~1 ROLE; play the|a role|part; how would ~3 ROLE; what would ~3 ROLE; WH would you ~6 as a|an; pretend that|you|to; if you were; i want you to; in ~2 persona|character; be a|an|my ROLE",
    ),
    (
        "audience",
        "for|to ~2 LAY; to|for a|an|my|the ~2 LAY; like im|i|am five; eli5; NUM YEARS old; laymans|layman|simple|simpler|plain|everyday|easy|nontechnical terms|language|english|words; \
         like|to a|an ~2 LAY; to ~2 audience|grader; for ~2 audience|readers|grader; explain like; to someone who",
    ),
    (
        "genre.creative",
        "WRITE ~5 CREATIVE; MAKE ~4 CREATIVE; tell ~3 joke|story|tale|riddle; CREATIVE ABOUT; a|an CREATIVE; into|as a|an ~2 CREATIVE; sing|rap|rhyme|narrate; in CREATIVE",
    ),
    (
        "genre.document",
        "WRITE ~5 DOCUMENT; MAKE ~4 DOCUMENT; DOCUMENT to|from|announcing|promoting|inviting|apologizing|thanking|asking; DOCUMENT ABOUT; \
         as a|an ~2 DOCUMENT; help ~2 WRITE; social media post; cover|thank letter|you; job|product description; press release; business plan",
    ),
    ("genre.write", "^WRITE; WRITE me|a|an|the|some; WRITE up|out; ^craft|compose|draft"),
    ("genre.ideas", "MAKE ~3 IDEA; come|think|coming up ~1 with; IDEA for; brainstorm"),
    (
        "transform.rewrite",
        "^REWRITE; REWRITE THIS|GIVEN|it; REWRITE ~3 TEXT|CREATIVE|DOCUMENT; make this|it|that ~2 shorter|longer|better|clearer|sound|more|less; \
         turn|change|convert|put THIS ~8 into|to; fix ~3 grammar|spelling|typos|punctuation; improve THIS ~2 TEXT|wording|writing; \
         fill in; complete THIS|GIVEN|the; continue THIS|the ~1 story|sentence|text|poem; WRITE it as; say it|this|that in|as|like",
    ),
    (
        "transform.translate",
        "^TRANSLATE; TRANSLATE THIS|GIVEN|it|into|to|from; TRANSLATE ~6 LANGUAGE; to|into|in LANGUAGE; how ~1 say ~6 in LANGUAGE",
    ),
    (
        "transform.summarise",
        "^SUMMARISE; SUMMARISE THIS|GIVEN|it; SUMMARISE ~3 TEXT; write|give|provide|make|create ~4 summary; tldr; main ~1 points|takeaways ~3 TEXT; key takeaways",
    ),
    (
        "classify",
        "^CLASSIFY; CLASSIFY THIS|GIVEN|each|whether|as|into; CLASSIFY ~3 TEXT; is|are this|these|that ~3 TEXT ~4 LABEL; \
         whether ~8 LABEL; FIND whether|if; FIND which ~4 EITHER; is THIS TEXT; TEXT is|are ~2 LABEL; into ~4 categories|classes|groups|buckets; \
         sentiment of; which category|label|class|topic|intent; true or false; odd one out; FIND ~3 category|topic|sentiment|intent|label",
    ),
    (
        "extract",
        "^EXTRACT; EXTRACT ~5 from; EXTRACT all|the|every|any|names|dates; FIND ~6 from|in THIS|GIVEN ~2 TEXT; from THIS|GIVEN ~2 TEXT; named entities; all ~4 mentioned",
    ),
    (
        "given.text",
        "THIS ~1 TEXT; GIVEN TEXT|items|words|list|code|data|information|sentence; THIS GIVEN; the TEXT GIVEN; GIVEN a|an|the|this; TEXT GIVEN",
    ),
    (
        "question.wh",
        "WH AUX; ^WH; in|at|to|from|for|of which|what|whom; how many|much|long|old|far|often|big|tall; WH to; what|which ~1 MATTER",
    ),
    ("question.yes", "^AUX; ^AUX the|a|there|it|i|we"),
    (
        "question.embedded",
        "tell me|us WH|about; know|wondering|wonder|understand|sure|explain|find|see|describe|show|out WH|if; question about; looking for; want to know; information about|on",
    ),
    (
        "question.guide",
        "WH ~2 our|the|your ~3 guide|guidelines|manual|handbook|policy ~2 SAY|AUX; guide|guidelines|manual|handbook|policy SAY; according to; WH ~6 SAY about",
    ),
    (
        "imperative.tell",
        "^TELL; ^TELL the|how|why|what|me|some|all|NUM|MATTER; ^TELL ~3 MATTER|between; ^MAKE ~3 list|overview|examples|explanation of; ^WRITE down|out the; top NUM; pros and cons",
    ),
    ("matter.noun", "MATTER of|for|between|in|behind; the MATTER; our|the ~2 MATTER"),
    (
        "matter.ours",
        "our|your|the|company ~2 policy|policies|prices|pricing|plan|warranty|handbook|procedure|process|sla|fees|hours",
    ),
    ("write.about", "WRITE ~6 ABOUT; CREATIVE|DOCUMENT ABOUT"),
    (
        "action.account",
        "ACTION MY; ^ACTION MY|this|the|a|an|all; ACTION ~2 ACCOUNT; i want|need|wanna|have|like|would ~3 ACTION; help ~2 ACTION; MY ACCOUNT; want to ACTION; ^ACTION IDENT|NUM|off|on|up",
    ),
    (
        "action.howto",
        "WH ~4 ACTION; how do|to|can|should i|we|you; steps to; instructions to|for|on; the way to; possible to; where ~3 ACTION",
    ),
    (
        "chat.greeting",
        "^GREET; how are|r you|u|things; how is|was your|it; never mind; forget it|that; go on; good morning|evening|night|afternoon|day; nice to meet; whats up; who are you; are you ~2 human|robot|bot|real|ai|there; thank you; i love|hate you; well done|said; see you",
    ),
    (
        "chat.opinion",
        "do|did|would you OPINION; your OPINION; what ~3 you OPINION; have you ever; how ~3 you feel|think; are you OPINION|happy|sad|ok; can you feel; should i|we",
    ),
    (
        "code",
        "CODE function|code|script|program|class|query|list|method; WRITE ~4 CODE; MAKE ~4 CODE; CODE to|that|for|in; in CODE; debug|refactor|compile|fix THIS ~2 CODE; unit tests|test",
    ),
    (
        "arithmetic",
        "NUM MATH ~1 NUM; ^MATH; MATH ~4 NUM; what is|s NUM NUM|MATH; square|cube root; how many ~12 left|remain|altogether|total; NUM ~8 NUM ~12 how many|far|much|long|fast|old; NUM percent of; whats NUM; NUM NUM equals",
    ),
    (
        "given.reference",
        "GIVEN|based|using|from|in ~3 TEXT about|regarding|on|of; reference TEXT; based on ~2 TEXT; GIVEN ~2 reference",
    ),
    (
        "items.which",
        "which of these|those|the|following; WH of the following; which is a|an|the ~5 EITHER; FIND which|whether; tell ~1 which|whether; which ~3 belong|fit|differ; odd ~2 out; WH ~3 these|following",
    ),
    (
        "format.only",
        "nothing else|more|but; only the|a|an|one|NUM; number|year|name|answer|code|date|figure|yes only; yes or no; no|without ~1 explanation|explanations|preamble|introduction|commentary; one|single word; just the ~2; only ~2 word|number|name|words; WITH full sentences",
    ),
    (
        "format.each",
        "each in|with|on|as|of|one; one per|line; per line; followed by; in|into|between brackets|parentheses|quotes|caps|uppercase|columns|bold|italics|capitals; lower|upper case; \
         ending|beginning|starting|end|begin|start ~2 with; the letter; avoid ~3 words|letter|word; no verbs|adjectives|commas|words|jargon|numbers; WITH NUM columns; columns; ordered|sorted|grouped|arranged|listed|alphabetically by; wrap each|them|it; NUM rows|columns|bullets",
    ),
    (
        "style.like",
        "LIKE if|though; the way ~3 would; in|into the style|voice|manner|spirit|tone|words|accent|form of; in|with ~3 slang|voice|accent|dialect|rhyme|rhymes|verse|manner|tone|style|humour|humor; \
         LIKE a|an ~3 would; LIKE a|an ~1 ROLE; without jargon|sounding; sounds|sounding ~2; in the|a ~2 of a|an",
    ),
    (
        "style.follow",
        "WRITE|RESPOND|phrase|word|put|sound|speak|talk ~3 LIKE|following|per our|the|house ~2 GUIDE|STYLE; WRITE|RESPOND|phrase ~2 according|matching|per|following ~3 GUIDE|STYLE; in line with ~3 GUIDE|STYLE; \
         as|way our|the ~2 GUIDE|STYLE ~1 asks|prescribes|wants|demands|requires; follow|keep|stick ~4 GUIDE|STYLE",
    ),
    (
        "audience.named",
        "TELL ~6 to a|an|my|someone|our|new; so that ~3 understand|understands|gets|follow|can; for someone|people|readers|those ~3 who|with|without; suitable|fit|meant|aimed|written for|at; even a|an|my ~3 understand|can|would; to someone|people|somebody; who knows|know nothing; never heard",
    ),
    (
        "matter.true",
        "real|true|exact|actual|correct|official|current|latest|right numbers|facts|figures|dates|names|prices|sources|data; with ~2 facts|figures|dates|sources|numbers|evidence|citations; facts ~1 right|true|correct|straight; cite|citing ~3",
    ),
    (
        "chat.self",
        "im|i bored|tired|sad|happy|hungry|lonely|back|here|fine|done|lost|kidding; i feel|miss|hate|love|wish|am; what would you; are|were you ~2; you are|were|sound|look; my day|life|boyfriend|girlfriend|boss|ex|dog|cat; lets ~2; haha|lol|hmm|wow|ugh",
    ),
    (
        "puzzle",
        "suppose|imagine|if|assume ~4 NUM; probability|odds|chance ~2; expected number|value; area|volume|perimeter|circumference of; next number; NUM NUM NUM; how many ~6 if|when|would; train ~6 leaves; complete the sequence; solve",
    ),
    ("identifier", "IDENT"),
    ("entity.year", "in|since|during|by|from|of YEAR4"),
    ("alternatives", "EITHER; which is|are|of|one ~12 EITHER"),
];

/// Leading words that ask nicely and demand nothing; stripped, so that politeness cannot change a decision.
pub(super) const POLITE_HEADS: &[&str] = &[
    "please",
    "pls",
    "plz",
    "kindly",
    "hey",
    "hi",
    "hello",
    "ok",
    "okay",
    "so",
    "well",
    "dear assistant",
    "hi there",
    "hello there",
    "could you",
    "can you",
    "would you",
    "will you",
    "could u",
    "can u",
    "would you mind",
    "i want you to",
    "i need you to",
    "i would like you to",
    "id like you to",
    "i was wondering if you could",
    "help me",
    "would you be able to",
    "are you able to",
    "be so kind as to",
    "if you dont mind",
    "quick question",
    "excuse me",
    "sorry",
    "good morning",
    "good afternoon",
    "is it possible to",
    "may i ask",
    "can i ask",
    "could i ask",
    "do you know",
    "i want to know",
    "i would like to know",
    "id like to know",
    "i need to know",
    "go ahead and",
    "just",
    "now",
];

/// Trailing words of the same kind.
pub(super) const POLITE_TAILS: &[&str] = &[
    "please",
    "pls",
    "plz",
    "thanks",
    "thank you",
    "thx",
    "thanks a lot",
    "thank you very much",
    "thanks in advance",
    "many thanks",
];
