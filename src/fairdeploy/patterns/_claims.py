"""What the catalogue claims about rules, pattern by pattern. Where it differs from the seed, the facts are newer."""

from __future__ import annotations

from fairdeploy.patterns import _sources as source
from fairdeploy.patterns.claim import Claim, Source, Status


def _supported(regime: str, note: str, *sources: Source) -> Claim:
    return Claim(regime, Status.SUPPORTED, note=note, sources=sources)


def _conditional(regime: str, conditions: tuple[str, ...], *sources: Source, note: str = "") -> Claim:
    return Claim(regime, Status.CONDITIONAL, conditions, note, sources)


_NO_CERTIFICATE = (
    "no certification for HIPAA is recognised by HHS: what counts is the institution's own safeguards"
)
_OWN_DUTIES = "no outside processor; the controller's own duties (article 32: security) remain"
_TRANSFERS = "transfers to the US rest on the Data Privacy Framework, whose appeal is pending"

OWN_ISMS = "the institution's own management system is certified with this system in its scope"
OWN_CARE = "the institution is a care institution (or manages care data) and can show that its own system meets the norm"
OWN_NIST = "the institution attests NIST SP 800-171 for this system, images scanned for vulnerabilities"
DPA = "a data processing agreement is signed (GDPR article 28)"


def on_site() -> tuple[Claim, ...]:
    """Return what holds on the institution's own machines."""
    return (
        _supported("GDPR", _OWN_DUTIES, source.GDPR_28, source.SEED),
        _supported("HIPAA", f"no business associate; {_NO_CERTIFICATE}", source.GOOGLE_HIPAA, source.SEED),
        _conditional("ISO27001", (OWN_ISMS,), source.ISO),
        _conditional(
            "NEN7510", (OWN_CARE,), source.NEN, source.MYDRE, note="depends on the role, not on the machines"
        ),
        _conditional("NIST800171", (OWN_NIST,), source.NIST),
        _supported("LOCAL", "the institution decides about every part", source.SEED),
        _supported("RESIDENCY", "the data is where the machines are", source.SUPABASE_SELF),
        _supported("SOVEREIGNTY", "nobody else can be compelled to hand data over", source.EU_SOVEREIGNTY),
    )


def private_cloud() -> tuple[Claim, ...]:
    """Return what holds on a private cloud, which a third party may run."""
    operator = (
        "a signed business associate agreement with whoever runs the cloud, unless the institution does"
    )
    return (
        _supported("GDPR", f"if a third party runs it, {DPA}", source.GDPR_28, source.SEED),
        _conditional(
            "HIPAA",
            (operator,),
            source.HHS_CLOUD,
            note="the seed says supported; an outside operator is a business associate",
        ),
        _conditional(
            "ISO27001", ("the operator's certificate covers it, or the institution's own does",), source.ISO
        ),
        _conditional("NEN7510", (OWN_CARE, "the operator is certified too"), source.NEN, source.MYDRE),
        _conditional("NIST800171", ("the operator attests NIST SP 800-171", OWN_NIST), source.NIST),
        _conditional(
            "LOCAL",
            ("the operator agrees to them in writing",),
            source.SEED,
            note="the seed does not list them",
        ),
        _conditional("RESIDENCY", ("the operator's data centres are in the region",), source.ESTIMATE),
        _supported("SOVEREIGNTY", "as long as the operator is under the same law", source.EU_SOVEREIGNTY),
    )


def public_cloud() -> tuple[Claim, ...]:
    """Return what holds at AWS, Azure or Google Cloud."""
    return (
        _conditional(
            "GDPR",
            (DPA, "a region in the EU or EEA is chosen"),
            source.GDPR_28,
            source.DPF_APPEAL,
            note=_TRANSFERS,
        ),
        _conditional(
            "HIPAA",
            (
                "a business associate agreement in force (AWS: accept it in Artifact; Google: accept it in the console; Azure: part of the product terms)",
                "only services that the agreement covers",
                "encryption in transit and at rest",
            ),
            source.HHS_CLOUD,
            source.AWS_HIPAA,
            source.AZURE_HIPAA,
            source.GOOGLE_HIPAA,
        ),
        _conditional(
            "ISO27001",
            ("the provider's certificate covers the services used", OWN_ISMS),
            source.AWS_ISO,
            source.ISO,
        ),
        _conditional(
            "NEN7510",
            (OWN_CARE, "the provider's certificate covers the services used"),
            source.NEN,
            source.MYDRE,
        ),
        _conditional(
            "NIST800171",
            ("the provider attests NIST SP 800-171 for the services used", OWN_NIST),
            source.NIST,
        ),
        Claim(
            "LOCAL",
            Status.UNKNOWN,
            note="depends on the rule: the seed does not list them",
            sources=(source.SEED,),
        ),
        _conditional(
            "RESIDENCY", ("a region inside the border is chosen, for backups too",), source.SUPABASE_REGIONS
        ),
        _conditional(
            "SOVEREIGNTY",
            (
                "keys are held by the institution",
                "the board accepts in writing that the provider may be under foreign law",
            ),
            source.EU_SOVEREIGNTY,
            source.DPF_APPEAL,
            note="read as level SEAL-1 or 2 of 4 for the European region of a US provider",
        ),
    )


def hybrid_cloud() -> tuple[Claim, ...]:
    """Return what holds when sensitive data stays and the rest does not."""
    stays = "sensitive data, its backups included, stays on site, or goes out encrypted under the institution's keys"
    return (
        _conditional(
            "GDPR",
            (DPA, "a region in the EU or EEA is chosen for the cloud part"),
            source.GDPR_28,
            source.DPF_APPEAL,
        ),
        _conditional(
            "HIPAA",
            (
                "a business associate agreement with the cloud as soon as a backup, a replica or a peak puts PHI there",
                "encryption in transit and at rest",
            ),
            source.HHS_CLOUD,
            note="the seed says supported; a cloud that stores encrypted PHI without the key is a business associate",
        ),
        _conditional(
            "ISO27001",
            ("the provider's certificate covers the services used", OWN_ISMS),
            source.AWS_ISO,
            source.ISO,
        ),
        _conditional("NEN7510", (OWN_CARE, stays), source.NEN, source.MYDRE),
        _conditional(
            "NIST800171",
            ("the provider attests NIST SP 800-171 for the services used", OWN_NIST),
            source.NIST,
        ),
        _conditional("LOCAL", (stays,), source.SEED, note="the seed does not list them"),
        _conditional(
            "RESIDENCY", (stays, "a region inside the border is chosen for the rest"), source.SUPABASE_REGIONS
        ),
        _conditional("SOVEREIGNTY", (stays,), source.EU_SOVEREIGNTY),
    )


def dbaas() -> tuple[Claim, ...]:
    """Return what holds at Supabase Cloud."""
    return (
        _conditional(
            "GDPR",
            (DPA, "a specific region in the EU: the general region 'Europe' includes London and Zurich"),
            source.SUPABASE_GDPR,
            source.SUPABASE_REGIONS,
            source.DPF_APPEAL,
            note=_TRANSFERS,
        ),
        _conditional(
            "HIPAA",
            (
                "a business associate agreement with Supabase, on the Team plan or above, with the HIPAA add-on",
                "the project is marked High Compliance and the advisor's findings are handled",
                "point-in-time recovery, enforced SSL and network restrictions are on",
                "multi-factor authentication is enforced on every account",
                "no PHI in public buckets",
            ),
            source.SUPABASE_SHARED,
            source.SUPABASE_HIPAA,
            note="the seed says GDPR only; Supabase has since come to sign agreements",
        ),
        Claim(
            "ISO27001",
            Status.UNKNOWN,
            note="Supabase has said that SOC 2 Type 2 audits it and ISO 27001 does not; ask for a certificate",
            sources=(source.SUPABASE_ISO,),
        ),
        Claim("NEN7510", Status.UNKNOWN, note="nothing was found either way", sources=(source.NEN,)),
        Claim("NIST800171", Status.UNKNOWN, note="nothing was found either way", sources=(source.NIST,)),
        Claim(
            "LOCAL",
            Status.UNKNOWN,
            note="depends on the rule: the seed does not list them",
            sources=(source.SEED,),
        ),
        _conditional(
            "RESIDENCY", ("a specific region inside the border is chosen",), source.SUPABASE_REGIONS
        ),
        Claim(
            "SOVEREIGNTY",
            Status.UNSUPPORTED,
            note="whoever runs it has machines, keys and staff in hand, on AWS and under foreign law, whatever the region; "
            "self-hosted Supabase keeps the same API",
            sources=(source.EU_SOVEREIGNTY, source.SUPABASE_SELF, source.SEED),
        ),
    )
