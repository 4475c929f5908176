"""The names of the samples in Hindi, as an operator writes them into the topology file."""

from __future__ import annotations

_CITIES = {
    "Delhi": "दिल्ली",
    "Mumbai": "मुंबई",
    "Bengaluru": "बेंगलुरु",
    "Jaipur": "जयपुर",
    "Pune": "पुणे",
    "Chennai": "चेन्नई",
    "Chandigarh": "चंडीगढ़",
    "Ahmedabad": "अहमदाबाद",
    "Hyderabad": "हैदराबाद",
}
_SIDES = {"North": "उत्तर", "East": "पूर्व", "South": "दक्षिण", "West": "पश्चिम"}
NAMES_HI = {
    **_CITIES,
    "Yamuna Lights Multiplex": "यमुना लाइट्स मल्टीप्लेक्स",
    "Konkan Lights Multiplex": "कोंकण लाइट्स मल्टीप्लेक्स",
    "Palash Screens": "पलाश स्क्रीन्स",
    "Gulmohar Sabhagar": "गुलमोहर सभागार",
    "Sahyadri Rangmandir": "सह्याद्रि रंगमंदिर",
    "Coromandel Sabha": "कोरोमंडल सभा",
    "Shivalik Oval": "शिवालिक ओवल",
    "Riverbend Oval": "रिवरबेंड ओवल",
    "Granite Park Stadium": "ग्रेनाइट पार्क स्टेडियम",
    "The Last Ferry to Alibag": "अलीबाग की आख़िरी फ़ेरी",
    "Monsoon Accounts": "मानसून का हिसाब",
    "Neon Jasmine": "नियॉन चमेली",
    "Seventeen Minutes Late": "सत्रह मिनट देर",
    "Kite Season": "पतंगों का मौसम",
    "A Tiger in the Lift": "लिफ़्ट में बाघ",
    "Ragas at Dusk: An Evening of Sitar and Sarod": "साँझ के राग: सितार और सरोद की शाम",
    "Strings and Tabla: The Saffron Ensemble": "तार और तबला: केसरिया वृंद",
    **{
        f"T20 Cricket: {city} Monsoons v Coastal Comets": f"टी20 क्रिकेट: {_CITIES[city]} मानसून्स बनाम कोस्टल कॉमेट्स"
        for city in ("Chandigarh", "Ahmedabad", "Hyderabad")
    },
    "Screen 1": "स्क्रीन 1",
    "Stalls": "स्टॉल",
    "Recliner": "रिक्लाइनर",
    "Platinum": "प्लैटिनम",
    "Gold": "गोल्ड",
    "Silver": "सिल्वर",
    "Balcony": "बालकनी",
    "Pavilion": "पवेलियन",
    "Premium": "प्रीमियम",
    "Lower Stand": "निचला स्टैंड",
    "Upper Stand": "ऊपरी स्टैंड",
    "Gallery": "गैलरी",
    "SCREEN": "स्क्रीन",
    "STAGE": "मंच",
    "PITCH": "मैदान",
    **{f"{side.upper()} STAND": f"{hindi} स्टैंड" for side, hindi in _SIDES.items()},
    **{f"{side} {block}": f"{hindi} {block}" for side, hindi in _SIDES.items() for block in range(1, 13)},
}
