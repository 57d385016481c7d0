"""Complaints from outside the knowledge, each with details; written by the authors, copied from nobody."""

from __future__ import annotations

from typing import NamedTuple


class Outside(NamedTuple):
    """A complaint, what it needs, who has it, its details, and a sex where only one can have it."""

    complaint: str
    needs: str
    who: str
    details: tuple[str, ...]
    sex: str | None = None


AGES = {"adult": (18, 80), "old": (60, 92), "young": (16, 40), "child": (1, 12), "woman": (18, 45), "middle": (35, 65)}
MISSING = (
    "a clinician must decide: {topic}", "{topic} is outside what I know", "needs {topic}", "refer for {topic}",
)  # fmt: skip
WHY = (
    "no card fits; needs {topic}", "the complaint is not covered", "cards do not fit this picture", "outside the cards: {topic}",
)  # fmt: skip
ASKS = (
    "Wants to know what to do.", "Asks for advice.", "Would like a second opinion.", "Is worried about it.",
    "Saw a pharmacist first.", "Has no other complaint.",
)  # fmt: skip
COMPLAINTS = (
    Outside("Breast lump", "breast assessment", "woman", ("Felt a small hard lump in the left breast.", "It is not painful.", "The nipple looks pulled in.", "First noticed in the shower."), "female"),
    Outside("Changing mole", "dermatology", "adult", ("A dark mole on the calf has grown.", "Its border is uneven.", "It bled once when scratched.", "It has two colours.")),
    Outside("Toothache", "a dentist", "adult", ("A lower back tooth throbs at night.", "Hot drinks make it worse.", "The gum beside it is swollen.", "A filling fell out last month.")),
    Outside("Not getting pregnant", "fertility assessment", "woman", ("Trying for a baby for two years.", "Periods come every 40 days.", "The partner has not been tested."), "female"),
    Outside("Heavy periods", "gynaecology", "woman", ("Periods last nine days with clots.", "Soaks a pad every hour on the worst days.", "Cramps in the lower belly."), "female"),
    Outside("Menopause symptoms", "menopause advice", "middle", ("Hot flushes several times a day.", "Periods stopped a year ago.", "Sleeps badly and is irritable.", "Dryness during intercourse."), "female"),
    Outside("Erection problems", "sexual health advice", "middle", ("Cannot keep an erection for some months.", "Morning erections are rare.", "The relationship suffers."), "male"),
    Outside("Lump in the testicle", "urology", "young", ("Found a painless lump in one testicle.", "It feels heavy.", "It has grown over two months."), "male"),
    Outside("Wrist injury", "an X-ray and a surgeon", "adult", ("Fell on an outstretched hand.", "The wrist is bent like a fork.", "Cannot move the fingers without pain.", "It happened an hour ago on ice.")),
    Outside("Twisted ankle", "injury assessment", "young", ("Rolled the ankle at football.", "The outer side is blue and swollen.", "Cannot put weight on it.")),
    Outside("Deep cut", "wound care", "adult", ("Cut the palm with a kitchen knife.", "It gapes and still bleeds.", "The little finger does not bend.", "Last tetanus shot unknown.")),
    Outside("Burn", "burn care", "adult", ("Spilled boiling oil on the forearm.", "There are large blisters.", "Parts of it are white and do not hurt.")),
    Outside("Dog bite", "wound care", "adult", ("Bitten in the calf by a stray dog.", "Two deep punctures.", "The dog ran away.", "Happened abroad yesterday.")),
    Outside("Snake bite", "toxicology", "adult", ("Bitten on the foot while hiking.", "The foot swells up to the knee.", "Feels sick and sweaty.", "The snake was not seen well.")),
    Outside("Itchy scalp", "dermatology", "child", ("Scratches the head all day.", "Small white specks stick to the hair.", "Several children in the class have it.")),
    Outside("Hair falling out", "dermatology", "young", ("Round bald patches on the scalp.", "The skin there is smooth.", "Nails have small pits.")),
    Outside("Acne", "dermatology", "young", ("Pimples and blackheads on face and back.", "Some leave scars.", "Creams from the shop did not help.")),
    Outside("Scaly patches", "dermatology", "middle", ("Thick silvery plaques on elbows and knees.", "They itch a little.", "An uncle has the same.", "Worse in winter.")),
    Outside("Red eye", "ophthalmology", "adult", ("One eye is red and sticky since yesterday.", "The lids are glued in the morning.", "Sight is normal.", "The other eye begins now.")),
    Outside("Floaters and flashes", "ophthalmology today", "old", ("Sees flashes at the side of one eye.", "A curtain comes down over part of the view.", "Many new black dots.", "No pain.")),
    Outside("Cloudy sight", "ophthalmology", "old", ("Sight fades slowly in both eyes.", "Lights at night have halos.", "New glasses did not help.")),
    Outside("Hearing loss", "audiology", "old", ("Turns the television up.", "Misses words in a crowd.", "It has come over years.", "Both ears alike.")),
    Outside("Blocked ear", "ear care", "adult", ("The ear feels full after swimming.", "Uses cotton buds.", "Hears badly on that side.")),
    Outside("Forgetfulness", "memory assessment", "old", ("Repeats the same questions.", "Got lost on the way home.", "It has come on over two years.", "Leaves the stove on.", "The family does the bills now.")),
    Outside("Child does not speak", "developmental assessment", "child", ("Says only two words.", "Does not point or look when called.", "Lines up toys for hours.", "Walked at 14 months.")),
    Outside("Bed-wetting", "paediatrics", "child", ("Wets the bed four nights a week.", "Was never dry for long.", "No trouble by day.")),
    Outside("Newborn will not feed", "paediatrics today", "child", ("Turns the head away from the bottle.", "Vomits green after feeds.", "The belly is swollen.", "Has not passed stool since yesterday.")),
    Outside("Barky child with a swallowed coin", "an X-ray", "child", ("Was seen putting a coin in the mouth.", "Drools and refuses food.", "Points to the neck.")),
    Outside("Snoring and sleepiness", "a sleep study", "middle", ("Falls asleep at the wheel.", "The partner hears the breathing stop at night.", "Wakes with a dry mouth.", "Neck size 46 cm.")),
    Outside("Cannot sleep", "sleep advice", "adult", ("Lies awake until three.", "Worries about sleep itself.", "Drinks coffee all day.")),
    Outside("Hearing voices", "psychiatry today", "young", ("Voices comment on what he or she does.", "Believes the neighbours send messages.", "Stopped going to work.", "Sleeps by day.")),
    Outside("Thoughts of suicide", "urgent psychiatric help", "adult", ("Has a plan and the tablets at home.", "Sees no way out since the divorce.", "Has said goodbye to friends.")),
    Outside("Wants to stop drinking", "addiction care", "middle", ("Drinks a bottle of spirits a day.", "Shakes in the morning until the first drink.", "Tried twice to stop.")),
    Outside("Travel vaccination", "travel advice", "adult", ("Flies to the tropics in six weeks.", "Will stay in the countryside.", "Last shots ten years ago.")),
    Outside("Repeat prescription", "a prescriber", "adult", ("Needs more blood pressure tablets.", "Feels well.", "Pressure at home is fine.")),
    Outside("Sick note", "a clinician", "adult", ("Needs a certificate for last week.", "Is well again.", "The employer asks for it.")),
    Outside("Varicose veins", "a vascular surgeon", "middle", ("Bulging veins on both calves.", "Legs ache after standing.", "Wants them removed.")),
    Outside("Ingrown toenail", "foot care", "young", ("The side of the big toenail digs in.", "The skin there is red and weeps.", "Shoes hurt.")),
    Outside("Carpal tunnel", "nerve studies", "middle", ("Thumb and two fingers go numb at night.", "Shakes the hand to wake it.", "Drops cups.", "Works at a keyboard.")),
    Outside("Stiff finger", "a hand surgeon", "old", ("The ring finger cannot be straightened.", "A hard cord in the palm.", "It has come over years.", "No pain.")),
    Outside("Frozen shoulder", "orthopaedics", "middle", ("Cannot lift the arm to comb the hair.", "It began with pain at night.", "All movements are blocked, passive ones too.")),
    Outside("Knee locks", "orthopaedics", "young", ("The knee gets stuck half bent.", "It swelled after a twist at skiing.", "Something clicks inside.")),
    Outside("Muscle cramps of a newborn", "paediatrics today", "child", ("The arms jerk in series on waking.", "Stopped smiling last week.", "Born at term.")),
    Outside("Progressive arm wasting", "neurology", "middle", ("The hand muscles have shrunk over a year.", "Muscles twitch under the skin.", "Speech becomes slurred.", "Feeling in the skin is normal.")),
    Outside("Jerky movements", "neurology and genetics", "middle", ("Restless, dancing movements of hands and face.", "The father died of the same at fifty.", "Has become short-tempered.")),
    Outside("Always thirsty since a head operation", "endocrinology", "adult", ("Drinks ten litres a day.", "Passes pale urine all night.", "Had a pituitary tumour removed in spring.", "Sugar is normal.")),
    Outside("Big hands and feet", "endocrinology", "middle", ("Rings and shoes no longer fit.", "The jaw juts forward.", "Sweats a lot.", "Headaches for a year.")),
    Outside("Milk from the breast", "endocrinology", "woman", ("Milky discharge from both nipples.", "Not pregnant and not nursing.", "No period for five months."), "female"),
    Outside("Blood transfusion reaction", "the transfusion team", "adult", ("Shivers ten minutes into a transfusion.", "The back aches.", "Urine has turned red.")),
    Outside("Swallowed bleach", "toxicology", "adult", ("Drank a mouthful of drain cleaner by mistake.", "The lips are white and burn.", "Cannot swallow saliva.")),
    Outside("Smoke inhalation", "emergency care", "adult", ("Was carried out of a burning flat.", "Soot around the nose.", "Hoarse voice.", "Headache and dizzy.")),
    Outside("Pulled from water", "emergency care", "child", ("Was under water for two minutes.", "Coughs and is drowsy.", "Was given breaths at the pool.")),
    Outside("Electric shock", "emergency care", "adult", ("Touched a live wire at work.", "A black mark on the hand and the foot.", "Lost consciousness for a moment.")),
    Outside("Diving accident", "a pressure chamber", "young", ("Came up too fast from forty metres.", "Joints hurt and the skin is mottled.", "Legs feel weak and numb.")),
    Outside("Thyroid lump", "an ultrasound and a surgeon", "middle", ("A firm lump moves on swallowing.", "The voice has become hoarse.", "Feels well otherwise.")),
    Outside("Bleeding after the menopause", "gynaecology", "old", ("Bleeds again ten years after the last period.", "No pain.", "Takes no hormones."), "female"),
    Outside("Contractions", "the labour ward", "woman", ("38 weeks pregnant.", "Contractions every five minutes.", "The waters broke an hour ago."), "female"),
    Outside("Sore nipples", "breastfeeding advice", "woman", ("Nursing a baby of three weeks.", "The nipples are cracked.", "One breast is hard in one place."), "female"),
    Outside("Blood in semen", "urology", "middle", ("Noticed brown semen twice.", "No pain.", "Passes water normally."), "male"),
    Outside("Child with a limp", "paediatric orthopaedics", "child", ("Limps since waking.", "Holds the hip turned out.", "Had a cold last week.", "No fever.")),
)  # fmt: skip
