"""Where the catalogue's facts are from."""

from __future__ import annotations

import datetime as dt

from fairdeploy.patterns.claim import Source

READ = dt.date(2026, 11, 23)
"""The day on which claims were written down. docs/choosing.md says which pages were read again then, and in what form."""

ESTIMATE = Source(
    "estimate of the fairdeploy maintainers, to be replaced by your own", "docs/choosing.md", READ
)
SEED = Source(
    "FAIRDatabase deployment strategist",
    "https://github.com/SheratonMV/FAIRDatabase/blob/d7a5fe6015a0/.claude/agents/deployment-strategist.md",
    dt.date(2025, 9, 14),
)
HHS_CLOUD = Source(
    "HHS, guidance on HIPAA and cloud computing",
    "https://www.hhs.gov/hipaa/for-professionals/special-topics/health-information-technology/cloud-computing/index.html",
    dt.date(2016, 10, 7),
)
NIH_PRIVACY = Source(
    "NIH 03-5388, the Privacy Rule and research",
    "https://privacyruleandresearch.nih.gov/",
    dt.date(2003, 4, 14),
)
GOOGLE_HIPAA = Source("Google Cloud, HIPAA", "https://cloud.google.com/security/compliance/hipaa", READ)
AWS_HIPAA = Source("AWS, HIPAA", "https://aws.amazon.com/compliance/hipaa-compliance/", READ)
AZURE_HIPAA = Source(
    "Microsoft Azure, HIPAA",
    "https://learn.microsoft.com/en-us/azure/compliance/offerings/offering-hipaa-us",
    READ,
)
SUPABASE_SHARED = Source(
    "Supabase, shared responsibility model",
    "https://supabase.com/docs/guides/deployment/shared-responsibility-model",
    READ,
)
SUPABASE_HIPAA = Source(
    "Supabase, HIPAA projects", "https://supabase.com/docs/guides/platform/hipaa-projects", READ
)
SUPABASE_REGIONS = Source("Supabase, regions", "https://supabase.com/docs/guides/platform/regions", READ)
SUPABASE_GDPR = Source("Supabase, GDPR", "https://supabase.com/docs/guides/security/gdpr-compliance", READ)
SUPABASE_ISO = Source(
    "Supabase's answer in its discussion 17659: SOC 2 Type 2, not ISO 27001; undated in our copy",
    "https://github.com/orgs/supabase/discussions/17659",
    READ,
)
SUPABASE_SELF = Source("Supabase, self-hosting", "https://supabase.com/docs/guides/self-hosting", READ)
GDPR_28 = Source(
    "GDPR, articles 28 and 32", "https://eur-lex.europa.eu/eli/reg/2016/679/oj", dt.date(2016, 4, 27)
)
DPF_APPEAL = Source(
    "EU-US Data Privacy Framework: T-553/23 upheld it on 2025-09-03, appeal C-703/25 P is pending",
    "https://eur-lex.europa.eu/eli/C/2025/6610/oj",
    dt.date(2025, 10, 31),
)
EU_SOVEREIGNTY = Source(
    "EU Cloud Sovereignty Framework 1.2.1, as secondary pages describe it",
    "https://european.cloud",
    dt.date(2025, 10, 1),
)
NEN = Source(
    "NEN 7510 in care: the law wants it met demonstrably, a certificate is not prescribed (Computable with NEN's spokeswoman)",
    "https://www.computable.nl/?p=401525",
    dt.date(2025, 8, 27),
)
MYDRE = Source(
    "myDRE: why NEN 7510 does not apply to a research environment", "https://support.mydre.org", READ
)
NIST = Source(
    "NIH NOT-OD-24-157: NIST SP 800-171 for controlled-access data, from 2025-01-25",
    "https://grants.nih.gov/grants/guide/notice-files/NOT-OD-24-157.html",
    dt.date(2024, 7, 25),
)
ISO = Source(
    "ISO/IEC 27001: it certifies a management system, not a hosting",
    "https://www.iso.org/standard/27001",
    READ,
)
AWS_ISO = Source("AWS, ISO/IEC 27001", "https://aws.amazon.com/compliance/iso-27001-faqs/", READ)
AWS_SPOT = Source(
    "AWS, EC2 Spot: up to 90 % below on-demand prices", "https://aws.amazon.com/ec2/spot/", READ
)
AWS_RESERVED = Source(
    "AWS, EC2 Reserved Instances: up to 72 % below on-demand prices",
    "https://aws.amazon.com/ec2/pricing/reserved-instances/",
    READ,
)
SUPABASE_PRICES = Source(
    "Supabase plans as described by Orb: Pro from $25, Team from $599 a month, HIPAA extra",
    "https://www.withorb.com/blog/supabase-pricing",
    dt.date(2025, 12, 31),
)
JISC = Source(
    "JISC, Keeping Research Data Safe: Cambridge 4 FTE beside GBP 58,764 of equipment a year; a repository 1 FTE beside 1,300",
    "https://slideplayer.com/slide/780214/",
    dt.date(2008, 4, 1),
)
